from dataclasses import replace

import numpy as np
import pytest

from lightloop.audit.learning import Law, curves, fit_law, learning, part_of
from lightloop.audit.trainings import Trainer
from lightloop.evaluation.metrics import WeightedMetrics

RECORDS = np.array([100.0, 200.0, 400.0, 800.0])


def law_of(ruler, values_P, noise=0.0, higher=True):
    random = np.random.default_rng(0)
    draws_RP = values_P + noise * random.normal(size=(200, len(values_P)))
    if not higher:
        config = ruler.config.model_copy(update={"gate": ruler.config.gate.model_copy(update={"metric": "log_loss"})})
        ruler = replace(ruler, config=config)
    return Law.fit(RECORDS, values_P, draws_RP, ruler), draws_RP


def test_the_law_is_that_of_a_regression_on_logarithms():
    random = np.random.default_rng(0)
    shortfalls = 2 * RECORDS**-0.3 * np.exp(0.1 * random.normal(size=(5, 4)))
    exponent, scale = fit_law(RECORDS, shortfalls)
    for row in range(5):
        slope, start = np.polyfit(np.log(RECORDS), np.log(shortfalls[row]), 1)
        assert exponent[row] == pytest.approx(-slope)
        assert scale[row] == pytest.approx(np.exp(start))
    assert np.isnan(fit_law(RECORDS, np.array([[0.1, 0.1, 0.0, 0.1]]))[0]).all()


@pytest.mark.parametrize("higher", [True, False])
def test_doubling_and_check_follow_a_true_law(standing, higher):
    _, _, ruler = standing("fashion")
    shortfall = 3 * RECORDS**-0.5
    values = 1 - shortfall if higher else shortfall
    law, draws = law_of(ruler, values, noise=1e-4, higher=higher)
    assert law.exponent == pytest.approx(0.5)
    doubling = law.doubling(800, values[-1], draws[:, -1])
    expected = 3 * 1600**-0.5
    assert doubling["then"]["value"] == pytest.approx(1 - expected if higher else expected)
    gain = doubling["gain"]
    assert gain["value"] == pytest.approx(3 * 800**-0.5 - expected)
    assert 0 < gain["low"] < gain["value"] < gain["high"]
    further = 3 * 1600**-0.5
    reached = 1 - further if higher else further
    assert law.check(1600, reached)["holds"] is True
    assert law.check(1600, reached + (0.05 if higher else -0.05))["holds"] is False


def test_a_curve_that_does_not_rise_has_no_law(standing):
    _, _, ruler = standing("fashion")
    assert law_of(ruler, np.array([0.8, 0.79, 0.78, 0.8]))[0] is None
    assert law_of(ruler, np.array([0.8, 0.9, 0.95, 1.0]))[0] is None


def test_seeds_are_luck_too(standing):
    _, _, ruler = standing("fashion")
    random = np.random.default_rng(0)
    labels = random.integers(10, size=300)

    def scorer(right):
        p = np.full((300, 10), 0.01)
        p[np.arange(300), np.where(random.random(300) < right, labels, (labels + 1) % 10)] = 0.91
        return WeightedMetrics(labels, p)

    alike, apart = [scorer(0.7), scorer(0.7)], [scorer(0.5), scorer(0.9)]
    values, draws = curves([alike, apart], ruler)
    assert values.tolist() == [
        np.mean([one.scores(np.ones((1, 300), np.int32))["accuracy"][0] for one in row]) for row in (alike, apart)
    ]
    assert draws.shape == (100, 2)
    assert draws[:, 1].std() > 3 * draws[:, 0].std()


def test_parts_have_their_share_of_each_class_and_keep_groups_whole(standing):
    _, splits, ruler = standing("fashion")
    part = part_of(splits, ruler, 0.4, 0)
    counts = np.unique(part["train"]["label"].to_pylist(), return_counts=True)[1]
    whole = np.unique(splits["train"]["label"].to_pylist(), return_counts=True)[1]
    assert np.abs(counts - 0.4 * whole).max() <= 1
    assert set(part["train"]["id"].to_pylist()) <= set(splits["train"]["id"].to_pylist())


def test_of_a_series_the_latest_windows_are_taken(standing):
    _, splits, ruler = standing("co2")
    part = part_of(splits, ruler, 0.3, 0)
    assert part["train"]["id"].to_pylist() == splits["train"]["id"].to_pylist()[-len(part["train"]) :]
    assert part["validation"] == splits["validation"]


def test_the_network_learns_from_parts(standing, project):
    model, splits, ruler = standing("fashion", "network.channels=[8,12]", "trainer.max_epochs=2")
    trainer, said = Trainer(ruler.config, project), []
    released = ruler.values(model.answers(splits["test"]))
    content = learning(trainer, splits, released, ruler, said.append)
    assert [point["records"] for point in content["points"]] == [80, 160]
    assert said == ["learning from 80 records", "learning from 160 records"]
    assert content["epochs"] == 1
    assert content["released"]["records"] == 270
    assert content["released"]["value"] == ruler.estimate(splits["test"], released)["value"]
    assert all(point["low"] <= point["value"] <= point["high"] for point in content["points"])
    again = learning(trainer, splits, released, ruler, said.append)
    assert again == content, "what is done is not trained again"
    trainer.done()
    assert not trainer.scratch.exists()
    few = learning(trainer, {**splits, "train": splits["train"].slice(0, 40)}, released, ruler, said.append)
    assert few["applies"] is False
