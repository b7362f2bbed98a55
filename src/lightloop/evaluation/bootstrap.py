"""How sure a metric is: percentile intervals and paired differences by the bootstrap. NumPy alone, for the gate.

Records are drawn with replacement, as many as there are; every metric is computed on the same draws.

Shapes: N records, K classes, R resamples.
Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 (percentile) and 8 (paired data).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from lightloop.config.metrics import metric, signed
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
        standard_error: of the value, the deviation of the resamples.

    None where the metric is undefined for either.
    """

    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None = field(default=None, compare=False, repr=False)


class Scorer(Protocol):
    """One model's answers to some records, as metrics that are functions of the records' weights.

    Attributes:
        names: the metrics that it knows, of `config.metrics.METRICS`.
        records: N.
        block: neighbouring records that are drawn together, since they are not independent; 1 where they are.
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def records(self) -> int: ...
    @property
    def block(self) -> int: ...
    def scores(self, weights_RN: Counts) -> Mapping[str, Floats]:
        """Each metric's value (R,) for each weighting; NaN where it is undefined."""

    def noise(self, weights_RN: Counts) -> Mapping[str, Floats]:
        """For metrics that noise only adds to: how far (R,) a weighting can have moved them; empty for the others."""


def intervals(scorer: Scorer, *, confidence: float = 0.95, resamples: int = 1000, seed: int) -> dict[str, Interval]:
    """Each metric of a scorer with its interval.

    A resample in which a metric is undefined (AUROC when one class alone was drawn) is left out of its interval.

    The calibration error is a sum of absolute values, so noise only adds to it: resamples lie above the value, as the
    value lies above the truth, and for a calibrated model a percentile interval never holds the truth. Its lower bound
    is therefore the value minus the noise (see `Scorer.noise`), and not below 0.

    Args:
        scorer: of the model.
        confidence: of the two-sided interval, between 0 and 1.
        resamples: how many.
        seed: the same inputs and seed give the same numbers.

    Examples:
        >>> from lightloop.evaluation.metrics import WeightedMetrics
        >>> scorer = WeightedMetrics(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
        >>> intervals(scorer, seed=0)["accuracy"]
        Interval(value=1.0, low=1.0, high=1.0)
    """

    def scores(weights_RN: Counts) -> dict[str, Floats]:
        noise = {f"noise of {name}": value for name, value in scorer.noise(weights_RN).items()}
        return {**scorer.scores(weights_RN), **noise}

    points, draws = _points_and_draws(scores, scorer, resamples, seed)
    found = {name: _interval(points[name], draws[name], confidence) for name in scorer.names}
    for name, interval in found.items():
        noise_R = draws.get(f"noise of {name}")
        if noise_R is not None:
            lowest = float(points[name][0] - np.quantile(noise_R, (1 + confidence) / 2))
            found[name] = replace(interval, low=max(0.0, lowest))
    return found


def class_intervals(
    metrics: WeightedMetrics, *, confidence: float = 0.95, resamples: int = 1000, seed: int
) -> list[dict[str, Interval]]:
    """Precision, recall and F1 of each class with their intervals, in the order of the classes; see `intervals`."""
    points, draws = _points_and_draws(metrics.class_scores, metrics, resamples, seed)
    return [
        {name: _interval(points[name][:, k], draws[name][:, k], confidence) for name in CLASS_METRICS}
        for k in range(metrics.classes)
    ]


def paired_difference(
    challenger: Scorer,
    champion: Scorer,
    metric_name: str,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> Difference:
    """By how much the challenger is better than the champion on one metric, on the same records and resamples.

    Args:
        challenger: of the one model.
        champion: of the other, on the same records.
        metric_name: one of `config.metrics.METRICS`, which knows the direction.
        confidence: of each of the one-sided bounds, between 0.5 and 1.
        resamples: how many.
        seed: the same inputs and seed give the same numbers.

    Raises:
        UsageError: there is no such metric.
        ValueError: the two are not about the same records, or do not know the metric.

    Examples:
        >>> from lightloop.evaluation.metrics import WeightedMetrics
        >>> right, wrong = (WeightedMetrics(np.array([0]), np.array([p])) for p in ([0.9, 0.1], [0.4, 0.6]))
        >>> paired_difference(right, wrong, "accuracy", seed=0)
        Difference(value=1.0, low=1.0, high=1.0)
    """
    name = metric(metric_name).name
    if challenger.records != champion.records or name not in challenger.names or name not in champion.names:
        raise ValueError(
            f"two scorers of {name} on the same records were expected, but they are of {challenger.records} records "
            f"({', '.join(challenger.names)}) and {champion.records} ({', '.join(champion.names)})"
        )
    sign = signed(name, 1.0)

    def scores(weights_RN: Counts) -> dict[str, Floats]:
        return {name: sign * (challenger.scores(weights_RN)[name] - champion.scores(weights_RN)[name])}

    points, draws = _points_and_draws(scores, challenger, resamples, seed)
    # A one-sided bound at c is an end of the two-sided interval at 2c - 1.
    both = _interval(points[name], draws[name], 2 * confidence - 1)
    if both.value is None:
        return Difference(None, None, None)
    return Difference(both.value, both.low, both.high, float(np.nanstd(draws[name])))


def _points_and_draws(
    scores: Callable[[Counts], Mapping[str, Floats]], scorer: Scorer, resamples: int, seed: int
) -> tuple[Mapping[str, Floats], dict[str, Floats]]:
    """The scores with every weight one, and those of all resamples, (1, ...) and (R, ...)."""
    points = scores(np.ones((1, scorer.records), dtype=np.int32))
    chunks = [scores(weights_RN) for weights_RN in resample_counts(scorer.records, resamples, seed, scorer.block)]
    return points, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in points}


def resample_counts(records: int, resamples: int, seed: int, block: int = 1) -> Iterator[Counts]:
    """How often each record was drawn in each resample, int32, a chunk of resamples (R, N) at a time.

    With a `block`, runs of that many neighbours are drawn, wrapping around at the end, and as many records in all
    (circular block bootstrap: Politis & Romano 1992).
    """
    generator = np.random.default_rng(seed)
    most = max(1, CHUNK // records)
    block = min(block, records)
    for first in range(0, resamples, most):
        rows = min(most, resamples - first)
        if block == 1:
            draws_RN = generator.integers(records, size=(rows, records))
        else:
            starts_RS = generator.integers(records, size=(rows, -(-records // block)))
            draws_RN = (starts_RS[:, :, None] + np.arange(block)).reshape(rows, -1)[:, :records] % records
        draws_RN += np.arange(rows)[:, None] * records
        yield np.bincount(draws_RN.ravel(), minlength=rows * records).reshape(rows, records).astype(np.int32)


def _interval(point: Floats, draws_R: Floats, confidence: float) -> Interval:
    defined = draws_R[~np.isnan(draws_R)]
    value = float(point[0])
    if np.isnan(value) or not len(defined):
        return Interval(None, None, None)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))
