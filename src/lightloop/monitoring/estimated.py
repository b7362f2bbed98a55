"""How good the answers are likely to be where no label is known yet.

Of classes from calibrated probabilities (`evaluation.expected`), of numbers from how novel their records are: held-out
records of the same novelty had this error. Both hold while records change and what follows from a record does not.
Where that changes too (concept drift), both are blind, and only labels show it: see docs/monitoring.md.

Shapes: N answers of a window, M held-out ones, K classes, B bins.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lightloop.config.metrics import METRICS
from lightloop.evaluation.bootstrap import intervals
from lightloop.evaluation.expected import EXPECTED, ExpectedMetrics
from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.monitoring.against import MOST, Against
from lightloop.monitoring.answered import Answered
from lightloop.monitoring.answers import drifted
from lightloop.monitoring.comparing import Compared, metric_worse
from lightloop.monitoring.findings import Finding
from lightloop.monitoring.truth import CONFIDENCE, RESAMPLES, limit_of

# Share of answers whose truth is known from which on it, and no estimate, judges them.
ENOUGH_LABELS: Final = 0.5
# Held-out records are divided by novelty into so many parts of the same size.
BINS: Final = 5


def look(now: Answered, against: Against) -> list[Finding]:
    """The gate's metrics as they are estimated without labels.

    The estimate is what the held-out records reached, moved by how much the expectation has changed: so a constant
    error of the calibration does not count.

    Returns:
        Findings of the kind `estimated_performance`, uncorrected. No alarms where the truth of most answers is known.
    """
    if len(now) < against.fewest or not against.size:
        return []
    found = [*_classes(now, against)] if now.classes else [*_numbers(now, against)] if now.numbers else []
    known = len(now.labelled)
    if known < max(against.fewest, ENOUGH_LABELS * len(now)):
        return found
    return [one.model_copy(update={"alarm": False, "p_value": None}) for one in found]


def _classes(now: Answered, against: Against) -> Iterator[Finding]:
    some = now.drawn(MOST, against.seed)
    names = [name for name in against.judged if name in EXPECTED]
    p_NK = np.concatenate([against.held.probabilities.astype(np.float64), some.probabilities])
    codes_N = np.concatenate([against.held_codes, some.codes])
    now_N = np.arange(len(p_NK)) >= against.size
    pooled = ExpectedMetrics(p_NK, names, decided_N=codes_N)
    own = ExpectedMetrics(some.probabilities, names, decided_N=some.codes)
    found = intervals(own, confidence=CONFIDENCE, resamples=RESAMPLES, seed=against.seed)
    held = WeightedMetrics(against.held.labels, against.held.probabilities, names, decided_N=against.held_codes)
    was = held.scores(np.ones((1, against.size), dtype=np.int32))
    for metric in names:
        compared = metric_worse(pooled, now_N, metric, against.seed)
        if np.isnan(compared.size) or np.isnan(was[metric][0]):
            continue
        reached, change = float(was[metric][0]), compared.figures["now"] - compared.figures["then"]
        shift = reached - compared.figures["then"]
        figures = {"now": reached + change, "then": reached, "expected": compared.figures["now"]}
        ends = {"low": found[metric].low, "high": found[metric].high}
        figures |= {name: value + shift for name, value in ends.items() if value is not None}
        yield _finding(metric, Compared(compared.size, compared.p, figures), len(now), against)


def _numbers(now: Answered, against: Against) -> Iterator[Finding]:
    """The mean absolute error, by the novelty of the records; nothing where the bundle does not tell it."""
    held_M, now_N = against.held.novelty, now.novelty[np.isfinite(now.novelty)]
    if len(held_M) != against.size or len(now_N) < against.fewest or against.manifest.problem == "forecasting":
        return
    error_M = np.abs(against.held.values.astype(np.float64) - against.held.truths).mean(1)
    edges = np.unique(np.quantile(held_M, np.linspace(0, 1, BINS + 1)[1:-1]))
    then_B, share_B, mean_B, square_B = _by_bins(edges, held_M, error_M)
    now_B = np.bincount(np.searchsorted(edges, now_N), minlength=len(edges) + 1) / len(now_N)
    size = float(((now_B - share_B) * mean_B).sum())
    # Of the shares of both, and of the mean errors of the bins.
    variance = _multinomial(now_B, mean_B) / len(now_N) + _multinomial(share_B, mean_B) / len(held_M)
    variance += float((np.square(now_B - share_B) * square_B / np.maximum(then_B, 1)).sum())
    p = float(stats.norm.sf(size / np.sqrt(variance))) if variance > 0 else 1.0
    reached = float(error_M.mean())
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance))
    figures = {"now": reached + size, "then": reached, "low": reached + size - half, "high": reached + size + half}
    yield _finding("mae", Compared(size, p, figures), len(now), against)


def _by_bins(
    edges: NDArray[np.float64], held_M: NDArray[np.float64], error_M: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Counts, shares, mean errors and their variances of held-out records by bins of novelty."""
    place_M = np.searchsorted(edges, held_M)
    counts_B = np.bincount(place_M, minlength=len(edges) + 1)
    mean_B = np.bincount(place_M, error_M, minlength=len(edges) + 1) / np.maximum(counts_B, 1)
    square_B = np.bincount(place_M, np.square(error_M - mean_B[place_M]), minlength=len(edges) + 1)
    return counts_B, counts_B / len(held_M), mean_B, square_B / np.maximum(counts_B, 1)


def _multinomial(share_B: NDArray[np.float64], mean_B: NDArray[np.float64]) -> float:
    """The variance of a bin's mean error, when one record is drawn."""
    return float((share_B * np.square(mean_B)).sum() - np.square((share_B * mean_B).sum()))


def _finding(metric: str, compared: Compared, count: int, against: Against) -> Finding:
    now, then = compared.figures["now"], compared.figures["then"]
    limit = limit_of(against, metric, then, against.config.answers.loss)
    words = (
        f"{METRICS[metric].title} of {count} answers is estimated at {now:.4g} without their labels, and was "
        f"{then:.4g} on held-out records"
    )
    return drifted("estimated_performance", metric, compared, limit, words)
