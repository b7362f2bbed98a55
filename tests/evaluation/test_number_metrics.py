"""Metrics of numbers against torchmetrics, scikit-learn and formulas, on every kind of records, for every weighting."""

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from torchmetrics.functional.regression import symmetric_mean_absolute_percentage_error

from lightloop.config.metrics import METRICS
from lightloop.evaluation.bootstrap import Interval, intervals, paired_difference
from lightloop.evaluation.draws import resample_counts
from lightloop.evaluation.number_metrics import FORECASTING, REGRESSION, NumberMetrics

CASES = ("usual", "one number", "large", "zeros", "equal", "one record", "right")


def case_of(name, seed=0):
    random = np.random.default_rng(seed)
    records, numbers = {"one number": (60, 1), "one record": (1, 3), "zeros": (40, 2)}.get(name, (50, 4))
    labels = random.normal(size=(records, numbers)) + 3
    if name == "large":
        labels = labels * 1e-2 + 1e6
    if name == "zeros":
        labels[::3] = 0
    if name == "equal":
        labels[:] = 2.5
    predictions = labels + random.normal(size=labels.shape) * (0 if name == "right" else 0.1)
    quantiles = predictions[..., None] + np.array([-0.15, 0.0, 0.15])
    return labels, predictions, quantiles


def scores_by_libraries(labels, predictions, quantiles, naive):
    y, p = labels.ravel(), predictions.ravel()
    constant = np.ptp(y) == 0
    smape = symmetric_mean_absolute_percentage_error(torch.tensor(p), torch.tensor(y)).item()
    return {
        "mse": mean_squared_error(y, p),
        "rmse": root_mean_squared_error(y, p),
        "mae": mean_absolute_error(y, p),
        "r2": None if constant or len(y) < 2 else r2_score(y, p),
        "mape": None if (y == 0).any() else mean_absolute_percentage_error(y, p),
        "smape": smape,
        "mase": np.mean(np.abs(y - p)) / naive,
        "coverage": np.mean((quantiles[..., 0] <= labels) & (labels <= quantiles[..., 2])),
        "width": np.mean(quantiles[..., 2] - quantiles[..., 0]),
    }


@pytest.mark.parametrize("name", CASES)
def test_values_and_resamples_are_those_of_the_libraries(name):
    labels, predictions, quantiles = case_of(name)
    metrics = NumberMetrics(labels, predictions, FORECASTING, naive_error=0.7, quantiles_NHQ=quantiles)
    assert metrics.names == FORECASTING
    weights = np.concatenate([np.ones((1, len(labels)), dtype=np.int32), *resample_counts(len(labels), 6, 1)])
    found = metrics.scores(weights)
    for row, counts in enumerate(weights):
        drawn = np.repeat(np.arange(len(labels)), counts)
        expected = scores_by_libraries(labels[drawn], predictions[drawn], quantiles[drawn], 0.7)
        for metric, value in expected.items():
            if value is None:
                assert np.isnan(found[metric][row]), metric
            else:
                assert found[metric][row] == pytest.approx(value, rel=1e-5, abs=1e-9), metric


def test_only_what_is_given_is_told():
    labels, predictions, _ = case_of("usual")
    assert NumberMetrics(labels, predictions, FORECASTING).names == (*REGRESSION, "smape")
    assert NumberMetrics(labels, predictions).names == REGRESSION
    alone = NumberMetrics(labels, predictions, ["mase"], naive_error=0.0)
    assert intervals(alone, seed=0)["mase"] == Interval(None, None, None)
    assert alone.noise(np.ones((1, 50), dtype=np.int32)) == {}


def test_every_metric_is_declared():
    assert [METRICS[name].direction for name in FORECASTING] == [
        "lower",
        "lower",
        "lower",
        "higher",
        "lower",
        "lower",
        "lower",
        "higher",
        "lower",
    ]


def test_blocks_widen_the_interval_of_errors_that_hang_together():
    random = np.random.default_rng(5)
    error = np.convolve(random.normal(size=500), np.ones(20) / 20, "valid")[:, None]
    labels = np.zeros_like(error) + 1
    single, block = (
        intervals(NumberMetrics(labels, labels + error, ["mae"], block=size), seed=1)["mae"] for size in (1, 20)
    )
    assert block.high - block.low > 2 * (single.high - single.low)


def test_a_block_never_holds_all_records():
    labels, predictions, _ = case_of("usual")
    found = intervals(NumberMetrics(labels, predictions, ["mae"], block=500), seed=1)["mae"]
    assert found.low < found.value < found.high
    assert NumberMetrics(labels[:1], predictions[:1], block=500).draws.block == 1


def test_the_better_answers_are_better_by_the_metrics_direction():
    labels, predictions, _ = case_of("usual")
    better = NumberMetrics(labels, predictions)
    worse = NumberMetrics(labels, predictions + 1)
    for name in ("rmse", "r2"):
        assert paired_difference(better, worse, name, seed=0).low > 0
        assert paired_difference(worse, better, name, seed=0).high < 0


@pytest.mark.parametrize(
    ("labels", "predictions", "words"),
    [
        (np.ones(3), np.ones(3), r"labels \(N, H\) and predictions \(N, H\) of at least one record"),
        (np.ones((3, 1)), np.ones((3, 2)), r"shapes \(3, 1\) and \(3, 2\) came"),
        (np.ones((0, 1)), np.ones((0, 1)), "at least one record"),
        (np.ones((1, 1)), np.full((1, 1), np.nan), "NaN or infinity came"),
    ],
)
def test_what_does_not_fit_together(labels, predictions, words):
    with pytest.raises(ValueError, match=words):
        NumberMetrics(labels, predictions)
