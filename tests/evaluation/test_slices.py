"""slices.json: parts that were asked for, and parts that a tree finds and another half of the records confirms."""

import numpy as np
import pyarrow as pa
import pytest
from small_project import REPOSITORY

from lightloop.config.compose import compose_config
from lightloop.evaluation.bootstrap import intervals, paired_difference
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.error_tree import halves
from lightloop.evaluation.problem import problem_of
from lightloop.evaluation.slices import slices_content
from lightloop.evaluation.traits import traits_of
from lightloop.project import Project


@pytest.fixture(scope="module")
def config():
    composed = compose_config(Project(REPOSITORY), ["experiment=loans", "gate.resamples=300", "gate.metric=accuracy"])
    return composed.model_copy(update={"gate": composed.gate.model_copy(update={"smallest_group": 30})})


def table_of(config, records=800, seed=0, planted=0.0):
    """Records of loans, made up; where obrat is above 40 the model errs more often by `planted`."""
    random = np.random.default_rng(seed)
    obrat = random.uniform(0, 60, size=records)
    kinds = random.choice(["1", "2"], size=records)
    features = {
        name: kinds if config.data.columns[name].kind == "category" else random.normal(size=records)
        for name in config.data.features
    }
    features["obrat"] = np.where(random.random(records) < 0.02, np.nan, obrat)
    black = random.choice([0, 1], size=records, p=[0.8, 0.2])
    old = random.choice([0, 1], size=records)
    labels = random.choice(["rejected", "approved"], size=records)
    wrong = random.random(records) < 0.1 + planted * (obrat > 40) + 0.3 * black
    sure = random.uniform(0.6, 0.9, size=records)
    approved = (labels == "approved") != wrong
    p = np.where(approved, sure, 1 - sure)
    table = pa.table(
        {
            "id": [str(number) for number in range(records)],
            "label": labels,
            "prediction": np.where(approved, "approved", "rejected"),
            "probabilities": np.stack([1 - p, p], axis=1).tolist(),
            "black": black,
            "old": old,
            "hispan": [1] * 5 + [0] * (records - 5),
        }
    )
    return pa.table({name: pa.array(column) for name, column in features.items()}), table


@pytest.fixture(scope="module")
def content(config):
    questions, predictions = table_of(config, planted=0.35)
    return slices_content(config, problem_of(config.data), predictions, questions), predictions


def test_rows_hold_n_metrics_and_the_difference_from_the_rest(content, config):
    found, predictions = content
    rows = {(row["column"], row["value"]): row for row in found["rows"]}
    assert ("hispan", "1") not in rows  # five records
    assert found["left_out"] == {"black": 0, "hispan": 5, "old": 0}
    assert found["metrics"] == ["accuracy", "macro_f1", "log_loss"]
    problem = problem_of(config.data)
    inside = np.array(predictions["black"]) == 1
    scores = [
        problem.scorer(part, problem.written(part, "model")).scores(np.ones((1, len(part)), np.int32))["accuracy"][0]
        for part in (predictions.filter(inside), predictions.filter(~inside))
    ]
    row = rows["black", "1"]
    assert row["n"] == inside.sum()
    assert row["role"] == "sensitive"
    assert row["metrics"]["accuracy"]["value"] == pytest.approx(scores[0])
    assert row["difference"]["value"] == pytest.approx(scores[0] - scores[1])
    assert row["difference"]["high"] < 0
    assert row["difference"]["holm_worse"] < 0.05
    assert rows["old", "1"]["difference"]["holm"] > 0.05


def test_an_interval_of_a_group_is_that_of_its_records_alone(content, config):
    """Drawn among all records, the group's number varies too; its interval is as wide as that of a bootstrap of it."""
    found, predictions = content
    row = next(row for row in found["rows"] if (row["column"], row["value"]) == ("black", "1"))
    part = predictions.filter(np.array(predictions["black"]) == 1)
    problem = problem_of(config.data)
    scorer = problem.scorer(part, problem.written(part, "model"))
    alone = intervals(scorer, resamples=2000, seed=3)["accuracy"]
    width = row["metrics"]["accuracy"]["high"] - row["metrics"]["accuracy"]["low"]
    assert width == pytest.approx(alone.high - alone.low, rel=0.2)
    assert paired_difference(scorer, scorer, "accuracy", resamples=100, seed=1).p == 1


def test_a_planted_weakness_is_found_and_confirmed(content):
    found = content[0]["found"]
    assert (found["n_search"], found["n_confirmation"]) == (400, 400)
    confirmed = [one for one in found["slices"] if one["confirmed"]]
    assert any("obrat >" in rule or "< obrat" in rule for one in confirmed for rule in one["rules"])
    for one in found["slices"]:
        assert one["n"] >= 30
        assert one["error_search"] > one["rest_search"]
        assert one["metrics"]["accuracy"]["low"] <= one["metrics"]["accuracy"]["value"]


@pytest.mark.long
def test_without_a_weakness_little_is_confirmed(config):
    problem, claims = problem_of(config.data), 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        questions, predictions = table_of(config, records=400, seed=seed)
        shuffled = predictions.take(random.permutation(400))  # errors that no trait explains
        found = slices_content(config, problem, shuffled, questions)["found"]
        claims += any(one["confirmed"] for one in found["slices"] if "black" not in " ".join(one["rules"]))
    assert claims <= 3  # Binomial(12, 0.05) is larger once in 500 times


def test_too_few_records_are_not_searched(config):
    questions, predictions = table_of(config, records=100)
    found = slices_content(config, problem_of(config.data), predictions, questions)["found"]
    assert found == {"applies": False, "why": "Half of the 100 test records is too few to find groups of 30 in."}


def test_halves_keep_groups_whole_and_time_apart():
    codes = np.random.default_rng(0).integers(30, size=200)
    first, second = halves(Draws(200, groups_N=codes), seed=1)
    assert len(first) + len(second) == 200
    assert not set(codes[first]) & set(codes[second])
    first, second = halves(Draws(100, block=10), seed=1)
    assert first.max() + 10 <= second.min()


@pytest.mark.parametrize("experiment", ["fashion", "spam", "co2"])
def test_every_modality_has_traits_that_a_tree_can_read(experiment):
    from lightloop.data.splits import read_splits

    config = compose_config(Project(REPOSITORY), [f"experiment={experiment}"])
    test = read_splits(config.data, REPOSITORY, config.seed)["test"].slice(0, 60)
    values = traits_of(config.data, test, test)
    matrix = values.matrix(np.arange(30))
    assert matrix.shape == (60, len(values.columns))
    assert np.isfinite(matrix).all()
    assert (matrix.std(0) > 0).sum() >= 3
    assert values.rule(0, 1.0, 2.5) == f"1 < {next(iter(values.columns))} ≤ 2.5"
