import numpy as np
import pyarrow as pa
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from tables import loans, loans_config

from lightloop.audit.mitigation import Column, mitigation, reweighed, widest, with_sensitive
from lightloop.audit.scoring import Ruler
from lightloop.audit.trainings import Trainer
from lightloop.data.splits import read_splits
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.groups import Records
from lightloop.project import Project


@pytest.fixture(scope="module")
def world(repository):
    config = loans_config(repository, "trainer.max_epochs=3", "network.hidden=[8]")
    settings = config.audit.model_copy(update={"resamples": 100})
    return config, loans(repository, config), Ruler.of(config, settings)


def test_after_reweighing_label_and_group_are_independent(world):
    config, splits, _ = world
    train = splits["train"]

    def rates(table):
        favoured = np.array(table["label"].to_pylist()) == "approved"
        black = np.array(table["black"].to_pylist()) == 1
        return favoured[black].mean(), favoured[~black].mean(), black.mean(), favoured.mean()

    before, after = rates(train), rates(reweighed(train, "black", config.data, 0))
    assert before[1] - before[0] > 0.1
    assert abs(after[1] - after[0]) < 0.03
    # Neither the groups nor the labels become more or fewer.
    assert after[2:] == pytest.approx(before[2:], abs=0.02)
    assert reweighed(train, "black", config.data, 0) == reweighed(train, "black", config.data, 0)


def test_records_without_a_group_stay_as_they_are(world):
    spec = world[0].data.model_copy(update={"classes": ["x", "y"]})
    table = pa.table({"id": ["a", "b", "c", "d"], "label": ["x", "y", "x", "y"], "black": [None, None, None, None]})
    assert reweighed(table, "black", spec, 0) == table


def test_sensitive_columns_become_categories(world):
    config, _, _ = world
    other = with_sensitive(config)
    assert set(other.data.features) == {*config.data.features, *config.data.with_role("sensitive")}
    assert other.data.with_role("sensitive") == []
    assert config.data.with_role("sensitive")


def test_gaps_and_their_changes_are_those_of_fairlearn(world):
    _, splits, ruler = world
    table = splits["test"]
    test = Records(ruler.problem, table, Resampling(0.95, 200, 0), 20)
    random = np.random.default_rng(0)
    meant = random.random(len(table)) < 0.7
    given = {"released": random.random(len(table)) < 0.6, "other": random.random(len(table)) < 0.5}
    groups = test.groups("married")
    column = Column.of(test, groups, meant, given)
    people = np.array(table["married"].to_pylist())
    value = {}
    for name, chosen in given.items():
        gaps = column.gaps(name)
        value[name] = demographic_parity_difference(meant, chosen, sensitive_features=people)
        assert gaps["demographic_parity_difference"]["estimate"]["value"] == pytest.approx(value[name])
        odds = equalized_odds_difference(meant, chosen, sensitive_features=people)
        assert gaps["equalized_odds_difference"]["estimate"]["value"] == pytest.approx(odds)
    change = column.gaps("other")["demographic_parity_difference"]["change"]
    assert change["value"] == pytest.approx(value["other"] - value["released"])
    assert change["low"] <= change["value"] <= change["high"]
    assert column.gaps("released")["demographic_parity_difference"]["change"] is None


def test_three_networks_are_compared_on_the_same_records(world, repository, tmp_path):
    config, splits, ruler = world
    train = Records(ruler.problem, splits["train"], Resampling(0.95, 100, 0), 20)
    assert widest(train, ["black", "male"], "approved") == "black"
    (tmp_path / "data").symlink_to(repository.root / "data")
    trainer = Trainer(config, Project(tmp_path))
    released = ruler.values(trainer.train(splits).answers(splits["test"]))
    said = []
    content = mitigation(trainer, splits, released, ruler, said.append)
    assert list(content["variants"]) == ["released", "with_sensitive_columns", "reweighed"]
    assert (content["reweighed"], content["favourable"], content["n"]) == ("black", "approved", 398)
    labels = np.array(splits["test"]["label"].to_pylist()) == "approved"
    black = np.array(splits["test"]["black"].to_pylist()) == 1
    raw = content["columns"]["black"]["data_gaps"]["demographic_parity_difference"]["value"]
    assert raw == pytest.approx(labels[~black].mean() - labels[black].mean())
    assert content["variants"]["released"]["cost"] is None
    for name in ("with_sensitive_columns", "reweighed"):
        variant = content["variants"][name]
        assert variant["cost"]["low"] <= variant["cost"]["value"] <= variant["cost"]["high"]
        assert set(variant["gaps"]) == set(content["columns"])
    assert said == ["with the sensitive columns", "reweighed by black"]
    with_them = read_splits(with_sensitive(config).data, repository.root, config.seed)
    assert with_them["test"]["id"] == splits["test"]["id"], "the same split, with more columns"


def test_other_problems_are_left_out(standing):
    _, splits, ruler = standing("fashion")
    assert mitigation(None, splits, np.zeros((100, 10)), ruler, print)["applies"] is False
    assert mitigation(None, splits, None, ruler, print)["applies"] is False
