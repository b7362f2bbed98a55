"""Decision rules against brute force and scikit-learn; abstaining; what the files and tables keep of them."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from lightloop.calibration.decision import best_threshold, cost_matrix, fit_decision, fit_limit
from lightloop.calibration.rules import Abstain, Calibration, Decision, read_calibration
from lightloop.config.calibration import Costs, Threshold
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import decided_by, decision_of

METRICS = {
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "f1": f1_score,
    "macro_f1": lambda y, p: f1_score(y, p, average="macro", zero_division=0),
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_no_threshold_is_better(metric, seed):
    generator = np.random.default_rng(seed)
    positive_N = generator.random(120) < 0.2
    p_N = np.round(np.clip(0.3 * positive_N + generator.random(120) * 0.6, 0, 1), 2)
    found = METRICS[metric](positive_N, p_N >= best_threshold(p_N, positive_N, metric))
    best = max(METRICS[metric](positive_N, p_N >= cut) for cut in np.arange(0, 1.02, 0.005))
    assert found == pytest.approx(best)


def test_costs_are_those_of_the_cheapest_answer():
    generator = np.random.default_rng(0)
    p_NK = generator.dirichlet(np.ones(3), 400)
    costs = cost_matrix(Costs(name="costs", costs={"a": {"b": 7.0}, "c": {"a": 0.5}}), ["a", "b", "c"])
    assert costs == ((0, 7, 1), (1, 0, 1), (0.5, 1, 0))
    expected = [min(range(3), key=lambda j: sum(p[i] * costs[i][j] for i in range(3))) for p in p_NK]
    assert Decision(name="costs", costs=costs).decide(p_NK).tolist() == expected


def test_costs_of_two_classes_are_a_threshold():
    p_N2 = np.linspace(0, 1, 1000)[:, None] * [-1, 1] + [1, 0]
    rule = Decision(name="costs", costs=((0.0, 4.0), (1.0, 0.0)))
    # Elkan 2001: from cost(false alarm) / (cost(false alarm) + cost(miss)) on.
    np.testing.assert_array_equal(rule.decide(p_N2), p_N2[:, 1] > 0.8)


def test_no_costs_are_the_most_probable_class():
    p_NK = np.random.default_rng(1).dirichlet(np.ones(6), 300).astype(np.float32)
    rule = fit_decision(Costs(name="costs"), p_NK, np.zeros(300, np.int64), list("abcdef"))
    np.testing.assert_array_equal(rule.decide(p_NK), p_NK.argmax(1))


def test_a_rule_in_another_order_of_classes_is_the_same_rule():
    p_NK = np.random.default_rng(2).dirichlet(np.ones(3), 100)
    rule = Decision(name="costs", costs=((0, 5, 1), (1, 0, 3), (2, 1, 0)))
    turned = rule.reordered(["a", "b", "c"], ["c", "a", "b"])
    names = np.array(["a", "b", "c"])[rule.decide(p_NK)]
    np.testing.assert_array_equal(np.array(["c", "a", "b"])[turned.decide(p_NK[:, [2, 0, 1]])], names)
    one = Decision(name="threshold", positive=0, threshold=0.2)
    two = p_NK[:, :2] / p_NK[:, :2].sum(1, keepdims=True)
    np.testing.assert_array_equal(one.reordered(["x", "y"], ["y", "x"]).decide(two[:, ::-1]), 1 - one.decide(two))


def test_the_positive_class_can_be_named():
    p_NK = np.array([[0.6, 0.4], [0.3, 0.7]] * 20)
    found = fit_decision(Threshold(name="threshold", positive="x"), p_NK, np.array([0, 1] * 20), ["x", "y"])
    assert (found.positive, found.threshold) == (0, pytest.approx(0.5))


def test_the_limit_answers_as_much_as_it_can():
    generator = np.random.default_rng(0)
    confidence_N = generator.uniform(0.5, 1, 500)
    labels_N = (generator.random(500) > confidence_N).astype(np.int64)
    p_NK = np.stack([confidence_N, 1 - confidence_N], 1)
    limit = fit_limit(p_NK, labels_N, Decision(), 0.9).limit
    answered_N = confidence_N >= limit
    assert (labels_N[answered_N] == 0).mean() >= 0.9
    for lower in confidence_N[confidence_N < limit]:
        assert (labels_N[confidence_N >= lower] == 0).mean() < 0.9
    abstains = Calibration(abstain=Abstain(name="accuracy", limit=limit)).abstains(p_NK)
    np.testing.assert_array_equal(abstains, ~answered_N)
    assert fit_limit(p_NK, 1 - labels_N, Decision(), 0.9) is None


def test_tables_keep_the_rule_through_files_filters_and_slices(tmp_path):
    rule = Decision(name="threshold", threshold=0.3)
    table = decided_by(pa.table({"id": [1, 2, 3]}), rule)
    pq.write_table(table, tmp_path / "t.parquet")
    read = pq.ParquetFile(tmp_path / "t.parquet").read()
    for one in (read, read.slice(1), read.take([0, 2]), read.filter(pa.array([True, False, True]))):
        assert decision_of(one) == rule
    assert decided_by(table, Decision()).schema.metadata is None


def test_a_file_that_says_nothing_leaves_answers_alone_and_a_broken_one_is_refused(tmp_path):
    assert read_calibration(tmp_path / "missing.json") == Calibration()
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"applies": False, "why": "of nothing"}))
    assert read_calibration(path) == Calibration()
    path.write_text(json.dumps({"applies": True, "released": {"decision": {"name": "dice"}}}))
    with pytest.raises(
        LightloopError, match=r"is not what the calibrate stage writes \(decision.name: Input should be"
    ):
        read_calibration(path)
