"""How sure a metric is: percentile intervals and paired differences by the bootstrap. NumPy alone, for the gate.

Records (or groups, or blocks: see `draws`) are drawn with replacement, as many as there are; every metric is computed
on the same draws.

Shapes: N records, K classes, R resamples.
Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 (percentile) and 8 (paired data).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from lightloop.config.metrics import metric, signed
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.metrics import CLASS_METRICS, Counts, Floats, WeightedMetrics


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
        p: of "no difference", two-sided.

    None where the metric is undefined for either.
    """

    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None = field(default=None, compare=False, repr=False)
    p: float | None = field(default=None, compare=False, repr=False)


class Scorer(Protocol):
    """One model's answers to some records, as metrics that are functions of the records' weights.

    Attributes:
        names: the metrics that it knows, of `config.metrics.METRICS`.
        records: N.
        draws: what is drawn together, since it is not independent.
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def records(self) -> int: ...
    @property
    def draws(self) -> Draws: ...
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
    found = {name: interval_of(points[name][0], draws[name], confidence) for name in scorer.names}
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
        {name: interval_of(points[name][0, k], draws[name][:, k], confidence) for name in CLASS_METRICS}
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
    (point,), draws_R = paired_draws(challenger, champion, [name], resamples=resamples, seed=seed)[name]
    # A one-sided bound at c is an end of the two-sided interval at 2c - 1.
    both = interval_of(point, draws_R, 2 * confidence - 1)
    if both.value is None:
        return Difference(None, None, None)
    error = float(np.nanstd(draws_R))
    return Difference(both.value, both.low, both.high, error, two_sided(draws_R))


def paired_draws(
    challenger: Scorer, champion: Scorer, names: Sequence[str], *, resamples: int = 1000, seed: int
) -> dict[str, tuple[Floats, Floats]]:
    """By metric the difference (1,) of two models, and its resamples (R,): positive where the challenger is better.

    Args:
        challenger: of the one model.
        champion: of the other, on the same records.
        names: of metrics that both know.
        resamples: how many; all metrics are of the same ones.
        seed: the same inputs and seed give the same numbers.

    Raises:
        UsageError: there is no such metric.
        ValueError: the two are not about the same records, or do not know a metric.
    """
    for name in names:
        if challenger.records != champion.records or name not in challenger.names or name not in champion.names:
            raise ValueError(
                f"two scorers of {metric(name).name} on the same records were expected, but they are of "
                f"{challenger.records} records ({', '.join(challenger.names)}) and {champion.records} "
                f"({', '.join(champion.names)})"
            )
    signs = {name: signed(name, 1.0) for name in names}

    def scores(weights_RN: Counts) -> dict[str, Floats]:
        ours, theirs = challenger.scores(weights_RN), champion.scores(weights_RN)
        return {name: sign * (ours[name] - theirs[name]) for name, sign in signs.items()}

    points, draws = _points_and_draws(scores, challenger, resamples, seed)
    return {name: (points[name], draws[name]) for name in names}


def two_sided(draws_R: Floats) -> float:
    """The p of "the difference is 0", two-sided: 0 lies outside the percentile intervals at confidences to 1 - p.

    Examples:
        >>> two_sided(np.array([1.0, 2.0, 3.0])), two_sided(np.zeros(3))
        (0.5, 1.0)
    """
    defined = draws_R[~np.isnan(draws_R)]
    share = min(share_beyond(defined), share_beyond(-defined))
    return min(1.0, 2 * share)


def share_beyond(draws_R: Floats, limit: float = 0.0) -> float:
    """The p of "the difference is at least `limit`", one-sided: the share of resamples in which it is.

    One is added to both counts, so that p is never 0 (Davison & Hinkley 1997, section 4.2).
    """
    defined = draws_R[~np.isnan(draws_R)]
    return float((1 + (defined >= limit).sum()) / (1 + len(defined)))


def _points_and_draws(
    scores: Callable[[Counts], Mapping[str, Floats]], scorer: Scorer, resamples: int, seed: int
) -> tuple[Mapping[str, Floats], dict[str, Floats]]:
    """The scores with every weight one, and those of all resamples, (1, ...) and (R, ...)."""
    points = scores(np.ones((1, scorer.records), dtype=np.int32))
    chunks = [scores(weights_RN) for weights_RN in scorer.draws.counts(resamples, seed)]
    return points, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in points}


def interval_of(point: float, draws_R: Floats, confidence: float) -> Interval:
    """A value with the percentile interval of its resamples (R,); what is undefined is left out."""
    defined = draws_R[~np.isnan(draws_R)]
    value = float(point)
    if np.isnan(value) or not len(defined):
        return Interval(None, None, None)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))
