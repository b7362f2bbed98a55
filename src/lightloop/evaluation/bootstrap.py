"""How sure a metric is: percentile intervals and paired differences by the bootstrap. NumPy alone, for the gate.

Records are drawn with replacement, as many as there are; every metric is computed on the same draws.

Shapes: N records, K classes, R resamples.
Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 (percentile) and 8 (paired data).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lightloop.config.metrics import METRICS, metric, signed
from lightloop.evaluation.metrics import CLASS_METRICS, Counts, Floats, WeightedMetrics

# Counts held at once: 2 MB of int32 that stay in the processor's cache.
CHUNK = 500_000


@dataclass(frozen=True)
class Interval:
    """A value and the two-sided percentile interval around it; None where the metric is undefined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """How much better the challenger is than the champion: positive is better, whatever the metric's direction.

    Attributes:
        value: on the records themselves.
        low: lower bound, one-sided: the challenger is at least this much better at the confidence asked for.
            "Not worse than by a margin" is `low > -margin`.
        high: upper bound, one-sided. `low` and `high` together are a two-sided interval at 2 * confidence - 1.

    None where the metric is undefined for either.
    """

    value: float | None
    low: float | None
    high: float | None


def intervals(
    labels_N: NDArray[np.int64],
    probabilities_NK: NDArray[np.floating],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> dict[str, Interval]:
    """Each metric of `spec.METRICS` with its interval.

    A resample in which a metric is undefined (AUROC when one class alone was drawn) is left out of its interval.

    The calibration error is a sum of absolute values, so noise only adds to it: resamples lie above the value, as the
    value lies above the truth, and for a calibrated model a percentile interval never holds the truth. Its lower bound
    is therefore the value minus the noise (see `WeightedMetrics.calibration_noise`), and not below 0.

    Args:
        labels_N: int, 0 to K-1.
        probabilities_NK: float32 or float64, rows that sum to 1.
        confidence: of the two-sided interval, between 0 and 1.
        resamples: how many.
        seed: the same inputs and seed give the same numbers.

    Raises:
        ValueError: shapes, labels or probabilities are not as said.

    Examples:
        >>> intervals(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]), seed=0)["accuracy"]
        Interval(value=1.0, low=1.0, high=1.0)
    """
    metrics = WeightedMetrics(labels_N, probabilities_NK)

    def scores(weights_RN: Counts) -> dict[str, Floats]:
        return metrics.scores(weights_RN) | {"noise": metrics.calibration_noise(weights_RN)}

    points, draws = _points_and_draws(scores, len(labels_N), resamples, seed)
    found = {name: _interval(points[name], draws[name], confidence) for name in METRICS}
    lowest = float(points["ece"][0] - np.quantile(draws["noise"], (1 + confidence) / 2))
    return found | {"ece": replace(found["ece"], low=max(0.0, lowest))}


def class_intervals(
    labels_N: NDArray[np.int64],
    probabilities_NK: NDArray[np.floating],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> list[dict[str, Interval]]:
    """Precision, recall and F1 of each class with their intervals, in the order of the classes; see `intervals`."""
    metrics = WeightedMetrics(labels_N, probabilities_NK, ["macro_f1"])
    points, draws = _points_and_draws(metrics.class_scores, len(labels_N), resamples, seed)
    return [
        {name: _interval(points[name][:, k], draws[name][:, k], confidence) for name in CLASS_METRICS}
        for k in range(metrics.classes)
    ]


def paired_difference(
    labels_N: NDArray[np.int64],
    challenger_NK: NDArray[np.floating],
    champion_NK: NDArray[np.floating],
    metric_name: str,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> Difference:
    """By how much the challenger is better than the champion on one metric, on the same records and resamples.

    Args:
        labels_N: int, 0 to K-1.
        challenger_NK: probabilities of the one, rows that sum to 1.
        champion_NK: probabilities of the other on the same records.
        metric_name: one of `spec.METRICS`, which knows the direction.
        confidence: of each of the one-sided bounds, between 0.5 and 1.
        resamples: how many.
        seed: the same inputs and seed give the same numbers.

    Raises:
        UsageError: there is no such metric.
        ValueError: shapes, labels or probabilities are not as said.

    Examples:
        >>> right, wrong = np.array([[0.9, 0.1]]), np.array([[0.4, 0.6]])
        >>> paired_difference(np.array([0]), right, wrong, "accuracy", seed=0)
        Difference(value=1.0, low=1.0, high=1.0)
    """
    name = metric(metric_name).name
    challenger = WeightedMetrics(labels_N, challenger_NK, [name])
    champion = WeightedMetrics(labels_N, champion_NK, [name])
    sign = signed(name, 1.0)

    def scores(weights_RN: Counts) -> dict[str, Floats]:
        return {name: sign * (challenger.scores(weights_RN)[name] - champion.scores(weights_RN)[name])}

    points, draws = _points_and_draws(scores, len(labels_N), resamples, seed)
    # A one-sided bound at c is an end of the two-sided interval at 2c - 1.
    both = _interval(points[name], draws[name], 2 * confidence - 1)
    return Difference(both.value, both.low, both.high)


def _points_and_draws(
    scores: Callable[[Counts], Mapping[str, Floats]], records: int, resamples: int, seed: int
) -> tuple[Mapping[str, Floats], dict[str, Floats]]:
    """The scores with every weight one, and those of all resamples, (1, ...) and (R, ...)."""
    points = scores(np.ones((1, records), dtype=np.int32))
    chunks = [scores(weights_RN) for weights_RN in resample_counts(records, resamples, seed)]
    return points, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in points}


def resample_counts(records: int, resamples: int, seed: int) -> Iterator[Counts]:
    """How often each record was drawn in each resample, int32, a chunk of resamples (R, N) at a time."""
    generator = np.random.default_rng(seed)
    most = max(1, CHUNK // records)
    for first in range(0, resamples, most):
        rows = min(most, resamples - first)
        draws_RN = generator.integers(records, size=(rows, records))
        draws_RN += np.arange(rows)[:, None] * records
        yield np.bincount(draws_RN.ravel(), minlength=rows * records).reshape(rows, records).astype(np.int32)


def _interval(point: Floats, draws_R: Floats, confidence: float) -> Interval:
    defined = draws_R[~np.isnan(draws_R)]
    value = float(point[0])
    if np.isnan(value) or not len(defined):
        return Interval(None, None, None)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))
