"""fairness.json against fairlearn's own functions, its intervals by simulation, and thresholds by group."""

import json

import fairlearn.metrics as fair
import numpy as np
import pyarrow as pa
import pytest
from small_project import REPOSITORY

from lightloop.config.compose import compose_config
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.fairness import GAPS, RATIOS, GroupRates, fairness_content, gap_estimates
from lightloop.evaluation.groups import Groups
from lightloop.evaluation.problem import problem_of
from lightloop.evaluation.thresholds import threshold_content
from lightloop.project import Project

HOW = Resampling(0.95, 300, 1)


@pytest.fixture(scope="module")
def config():
    return compose_config(Project(REPOSITORY), ["experiment=loans", "gate.resamples=300", "gate.smallest_group=20"])


def table_of(records=600, seed=0, gap=0.3, values=(0, 1)):
    """Predictions in which the first group is approved more often, by `gap`."""
    random = np.random.default_rng(seed)
    black = random.choice(values, size=records)
    score = random.uniform(size=records)
    meant = random.random(records) < np.clip(score + gap * (black == values[0]), 0, 1)
    p = np.clip(0.15 + 0.6 * score + gap * (black == values[0]) / 2, 0.01, 0.99)
    return pa.table(
        {
            "id": [str(number) for number in range(records)],
            "label": np.where(meant, "approved", "rejected"),
            "prediction": np.where(p > 0.5, "approved", "rejected"),
            "probabilities": np.stack([1 - p, p], axis=1).astype(np.float32).tolist(),
            "black": black,
        }
    )


@pytest.mark.parametrize("values", [(0, 1), ("a", "b", "c", "d")])
def test_values_are_those_of_fairlearn(config, values):
    table = table_of(values=values)
    content = fairness_content(config, problem_of(config.data), table, table)
    json.dumps(content, allow_nan=False)
    (column,) = content["columns"]
    truth, answer = (np.array(table[name].to_pylist()) == "approved" for name in ("label", "prediction"))
    groups = np.array(table["black"].to_pylist())
    options = {"sensitive_features": groups}
    for name in (*GAPS, *RATIOS):
        assert column["gaps"][name]["value"] == pytest.approx(getattr(fair, name)(truth, answer, **options)), name
    assert column["data_gaps"]["demographic_parity_difference"]["value"] == pytest.approx(
        fair.demographic_parity_difference(truth, truth, **options)
    )
    assert column["training_gaps"] == column["data_gaps"]
    for group in column["groups"]:
        inside = groups.astype(str) == group["value"]
        assert group["n"] == inside.sum()
        assert group["n_favourable"] == truth[inside].sum()
        assert group["true_positive_rate"]["value"] == pytest.approx(answer[inside & truth].mean())
        assert group["false_positive_rate"]["value"] == pytest.approx(answer[inside & ~truth].mean())
        assert group["selection_rate"]["low"] <= group["selection_rate"]["value"] <= group["selection_rate"]["high"]


def test_a_rate_without_records_is_undefined_not_zero(config):
    table = table_of(300)
    label = np.where(np.array(table["black"]) == 1, "approved", np.array(table["label"]))
    table = table.set_column(table.schema.get_field_index("label"), "label", pa.array(label))
    (column,) = fairness_content(config, problem_of(config.data), table)["columns"]
    group = next(group for group in column["groups"] if group["value"] == "1")
    assert group["false_positive_rate"] == {"value": None, "low": None, "high": None}
    assert column["gaps"]["equalized_odds_difference"] == {"value": None, "low": None, "high": None}
    assert column["gaps"]["equal_opportunity_difference"]["value"] is not None
    assert column["training_gaps"] is None


def test_nobody_given_anything_has_a_ratio_without_a_bound(config):
    table = table_of(300)
    none = np.where(np.array(table["black"]) == 1, "rejected", np.array(table["prediction"]))
    table = table.set_column(table.schema.get_field_index("prediction"), "prediction", pa.array(none))
    (column,) = fairness_content(config, problem_of(config.data), table)["columns"]
    assert column["gaps"]["demographic_parity_ratio"] == {"value": 0.0, "low": 0.0, "high": None}


def test_what_does_not_apply_says_why(config):
    table = table_of(300)
    small = config.model_copy(update={"gate": config.gate.model_copy(update={"smallest_group": 290})})
    (column,) = fairness_content(small, problem_of(config.data), table)["columns"]
    assert (column["applies"], column["why"]) == (False, "Fewer than two groups have 290 records.")
    assert fairness_content(config, problem_of(config.data), table.drop_columns(["black"]))["applies"] is False
    co2 = compose_config(Project(REPOSITORY), ["experiment=co2"])
    assert fairness_content(co2, problem_of(co2.data), table)["why"].startswith("Fairness is about who is given")


def test_without_a_favourable_class_each_is_looked_at(config):
    data = config.data.model_copy(update={"favourable": None})
    content = fairness_content(config, problem_of(data), table_of(200))
    assert [column["favourable"] for column in content["columns"]] == ["rejected", "approved"]
    found = threshold_content(config, problem_of(data), table_of(200), table_of(200), np.zeros((200, 2)))
    assert found["why"] == "The data spec does not say which class is favourable (data.favourable)."


def held(gap, groups, repeats):
    """How often intervals of the gap of selection rates hold the true one."""
    rates = np.array([0.5 + gap, *[0.5] * (groups - 1)])
    names = tuple(str(number) for number in range(groups))
    codes = np.repeat(np.arange(groups), 150)
    parts = Groups(names, tuple(codes == code for code in range(groups)), 0)
    hits = 0
    for seed in range(repeats):
        given = np.random.default_rng(seed).random(len(codes)) < rates[codes]
        draws = Draws(len(codes)).counts(200, seed)
        one = GroupRates(parts, given, given)
        point = one.scores(np.ones((1, len(codes)), np.int32))
        chunks = [one.scores(weights) for weights in draws]
        resampled = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in point}
        found = gap_estimates(point, resampled, 0.9, {"gap": ("selection_rate",)}, {"ratio": "selection_rate"})
        hits += found["gap"]["low"] <= gap <= found["gap"]["high"]
    return hits / repeats


@pytest.mark.parametrize(("gap", "groups"), [(0.0, 2), (0.2, 2), (0.0, 4), (0.2, 4)])
def test_intervals_of_gaps_hold_the_true_gap_also_where_there_is_none(gap, groups):
    # Binomial(100, 0.9) is below 0.80 once in 500 times. Of several groups they hold it more often, on purpose.
    assert held(gap, groups, repeats=100) >= 0.80


def test_thresholds_by_group_close_the_gap_and_say_what_it_costs(config):
    validation, test = table_of(1500, seed=1), table_of(1500, seed=2)
    problem = problem_of(config.data)
    found = threshold_content(config, problem, test, validation, problem.written(validation, "model"))
    json.dumps(found, allow_nan=False)
    by = {row["constraint"]: row for row in found["columns"]}
    parity = by["demographic_parity"]
    before, after = (parity[f"gaps_{when}"]["demographic_parity_difference"]["value"] for when in ("before", "after"))
    assert before > 0.2
    assert after < 0.08
    assert parity["gain"]["value"] == pytest.approx(before - after)
    assert parity["gain"]["low"] > 0
    lost = parity["accuracy_before"]["value"] - parity["accuracy_after"]["value"]
    assert parity["cost"]["value"] == pytest.approx(lost)
    assert parity["cost"]["low"] <= lost <= parity["cost"]["high"]
    assert by["equalized_odds"]["gaps_after"]["equalized_odds_difference"]["value"] < 0.12
    assert found == threshold_content(config, problem, test, validation, problem.written(validation, "model"))


def test_thresholds_need_both_classes_in_two_groups(config):
    validation, test = table_of(300, seed=1), table_of(300, seed=2)
    approved = pa.array(["approved"] * 300)
    validation = validation.set_column(validation.schema.get_field_index("label"), "label", approved)
    problem = problem_of(config.data)
    found = threshold_content(config, problem, test, validation, problem.written(validation, "model"))
    assert all(row["applies"] is False and "both classes" in row["why"] for row in found["columns"])
