import numpy as np
import pytest

from lightloop.config.metrics import METRICS
from lightloop.evaluation.metrics import CLASSIFICATION, WeightedMetrics

# The libraries compute some of them in float32.
TOLERANCE = 2e-6


def ones(labels):
    return np.ones((1, len(labels)), dtype=np.int32)


def assert_same(found, expected):
    assert list(found) == list(CLASSIFICATION)
    for name, value in found.items():
        if expected[name] is None:
            assert np.isnan(value), name
        else:
            assert value == pytest.approx(expected[name], abs=TOLERANCE), name


def test_weights_of_one_give_what_torchmetrics_and_scikit_learn_give(case, expected_scores):
    labels, probabilities = case
    found = WeightedMetrics(labels, probabilities).scores(ones(labels))
    assert_same({name: values[0] for name, values in found.items()}, expected_scores(labels, probabilities))


def test_a_weight_is_that_many_copies_of_a_record(case, expected_scores):
    labels, probabilities = case
    weights = np.random.default_rng(1).integers(0, 4, size=(5, len(labels))).astype(np.int32)
    weights[:, 0] += 1  # no empty resample
    found = WeightedMetrics(labels, probabilities).scores(weights)
    for row, counts in enumerate(weights):
        copies = np.repeat(np.arange(len(labels)), counts)
        expected = expected_scores(labels[copies], probabilities[copies])
        assert_same({name: values[row] for name, values in found.items()}, expected)


def test_classes_are_scored_as_scikit_learn_does_and_undefined_is_not_zero(case, expected_class_scores):
    labels, probabilities = case
    weights = np.concatenate([ones(labels), np.random.default_rng(1).integers(1, 3, size=(2, len(labels)))])
    found = WeightedMetrics(labels, probabilities).class_scores(weights.astype(np.int32))
    for row, counts in enumerate(weights):
        copies = np.repeat(np.arange(len(labels)), counts)
        for name, values in expected_class_scores(labels[copies], probabilities[copies]).items():
            np.testing.assert_allclose(found[name][row], values, err_msg=name)


def test_an_absent_class_is_left_out_of_the_means(make_case):
    labels, probabilities = make_case("absent class")
    metrics = WeightedMetrics(labels, probabilities)
    assert np.isnan(metrics.class_scores(ones(labels))["recall"][0, 2])
    assert metrics.scores(ones(labels))["auroc"][0] > 0.5


def test_order_of_records_changes_nothing(make_case):
    labels, probabilities = make_case("ties")
    order = np.random.default_rng(0).permutation(len(labels))
    first = WeightedMetrics(labels, probabilities).scores(ones(labels))
    second = WeightedMetrics(labels[order], probabilities[order]).scores(ones(labels))
    for name in CLASSIFICATION:
        assert first[name] == pytest.approx(second[name], abs=1e-12)


@pytest.mark.parametrize("kind", ["usual", "sure", "ties"])
def test_values_stay_within_the_bounds_that_are_declared(kind, make_case):
    labels, probabilities = make_case(kind)
    for wrong in (labels, (labels + 1) % 5, probabilities.argmax(1), probabilities.argmin(1)):
        for name, (value,) in WeightedMetrics(wrong, probabilities).scores(ones(labels)).items():
            spec = METRICS[name]
            assert spec.low <= value
            assert spec.high is None or value <= spec.high


def test_an_impossible_label_costs_a_finite_loss():
    metrics = WeightedMetrics(np.array([1]), np.array([[1.0, 0.0]], dtype=np.float32), ["log_loss"])
    assert metrics.scores(ones([0]))["log_loss"][0] == pytest.approx(-np.log(np.finfo(np.float32).eps))


def test_calibration_noise_bounds_every_move_of_the_calibration_error(make_case):
    labels, probabilities = make_case("usual")
    weights = np.random.default_rng(1).multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=50)
    metrics = WeightedMetrics(labels, probabilities)
    moves = metrics.scores(weights.astype(np.int32))["ece"] - metrics.scores(ones(labels))["ece"]
    assert (np.abs(moves) <= metrics.noise(weights.astype(np.int32))["ece"] + 1e-12).all()
    assert metrics.noise(ones(labels))["ece"] == pytest.approx(0)


def test_only_what_is_asked_for_is_computed(make_case):
    labels, probabilities = make_case("usual")
    assert list(WeightedMetrics(labels, probabilities, ["ece", "accuracy"]).scores(ones(labels))) == ["accuracy", "ece"]


UNIFORM = np.full((2, 2), 0.5)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1, 1], UNIFORM, r"shapes \(3,\) and \(2, 2\) came"),
        ([[0], [1]], UNIFORM, r"shapes \(2, 1\) and"),
        ([0, 1], UNIFORM[:, 0], r"and \(2,\) came"),
        ([], np.zeros((0, 2)), "at least one record"),
        ([0, 2], UNIFORM, "labels from 0 to 1 .* but 0 to 2 of 2 classes came"),
        ([0, -1], UNIFORM, "but -1 to 0"),
        ([0, 0], np.ones((2, 1)), "at least 2 classes"),
        ([0, 1], UNIFORM * 3, "apply softmax to logits"),
        ([0, 1], np.array([[1.5, -0.5], [0.5, 0.5]]), "apply softmax to logits"),
        ([0, 1], np.array([[np.nan, 1.0], [0.5, 0.5]]), "apply softmax to logits"),
    ],
)
def test_what_does_not_fit_is_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        WeightedMetrics(np.array(labels, dtype=np.int64), probabilities)
