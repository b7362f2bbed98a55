"""Drift of the answers: their classes, how sure they are, numbers, abstentions, and how novel their records were.

Shapes: N answers of a window, M held-out ones, K classes, H numbers of one answer.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.config.monitoring import Kind
from lightloop.monitoring.against import Against
from lightloop.monitoring.answered import Answered
from lightloop.monitoring.comparing import Compared, counts_differ, numbers_differ, share_differs
from lightloop.monitoring.findings import Finding


def look(now: Answered, against: Against) -> list[Finding]:
    """What is to be said about the answers of a window, labels aside.

    Classes by chi-square, how sure they are and numbers by Kolmogorov and Smirnov, abstentions by Fisher's exact test,
    each against the held-out answers. Novelty p-values are ranks among validation records, so that theirs is the same
    test of these scores: no held-out answers are needed, and under no drift they are uniform but for both samples'
    chance.

    Returns:
        A finding a column; `p_value` is not corrected yet, and `alarm` says that the difference is large enough.
    """
    if len(now) < against.fewest:
        return []
    found = [*_classes(now, against)] if now.classes else [*_numbers(now, against)] if now.numbers else []
    return [*found, *_novelty(now, against)]


def _classes(now: Answered, against: Against) -> Iterator[Finding]:
    if not against.size:
        return
    names = now.manifest.classes
    counts, before = (np.bincount(codes, minlength=len(names)) for codes in (now.codes, against.held_codes))
    limit = against.config.answers.drift
    compared = counts_differ(counts, before, against.seed)
    yield drifted("prediction_drift", "label", compared, limit, moved(names, counts, before))
    sure_N, sure_M = surety(now.probabilities, now.codes), surety(against.held.probabilities, against.held_codes)
    compared = numbers_differ(sure_N, sure_M)
    words = f"the mean probability of the answer is {sure_N.mean():.3g}, on held-out records {sure_M.mean():.3g}"
    yield drifted("prediction_drift", "probability", compared, limit, words)
    yield _abstentions(now, against)


def surety(p_NK: NDArray[np.floating[Any]], codes_N: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability (N,) of the answered class."""
    return np.asarray(p_NK[np.arange(len(codes_N)), codes_N], dtype=np.float64)


def _abstentions(now: Answered, against: Against) -> Finding:
    held_M = against.rules.abstains(against.held.probabilities)
    count, before = int(now.abstains.sum()), int(held_M.sum())
    compared = share_differs(count, len(now), before, len(held_M), "greater")
    limit = against.config.answers.abstain
    words = (
        f"the model would rather not answer {count / len(now):.1%} of the records, on held-out ones {held_M.mean():.1%}"
    )
    return drifted("prediction_drift", "abstains", compared, limit, words)


def _numbers(now: Answered, against: Against) -> Iterator[Finding]:
    if not against.size or now.manifest.problem == "forecasting":
        # Forecasts follow the level and season of their series: what they should be alike to is not the past.
        return
    for place in range(now.values.shape[1]):
        values_N, held_M = now.values[:, place], against.held.values[:, place].astype(np.float64)
        name = "value" if now.values.shape[1] == 1 else f"value {place + 1}"
        words = f"the median answer is {np.median(values_N):.4g}, on held-out records {np.median(held_M):.4g}"
        yield drifted("prediction_drift", name, numbers_differ(values_N, held_M), against.config.answers.drift, words)


def _novelty(now: Answered, against: Against) -> Iterator[Finding]:
    detecting = against.manifest.novelty
    known_N = now.novelty[np.isfinite(now.novelty)]
    if detecting is None or len(known_N) < against.fewest:
        return
    # Among the validation scores from the largest down, a record lies behind those that are as large as its own.
    places_N = np.round(known_N * (detecting.n + 1)) - 0.5
    compared = numbers_differ(places_N, np.arange(1.0, detecting.n + 1), "greater")
    share = float((known_N <= detecting.level).mean())
    words = (
        f"{share:.1%} of the records are novel, of records like the validation records {detecting.level:.0%} would be; "
        f"the median of the novelty p-values is {np.median(known_N):.2f}, usual are 0.50"
    )
    compared = Compared(compared.size, compared.p, {"novel": share, "expected": detecting.level})
    yield drifted("prediction_drift", "novelty", compared, against.config.answers.drift, words)


def drifted(kind: Kind, name: str, compared: Compared, limit: float, words: str) -> Finding:
    """A finding of a comparison: an alarm where the difference is large enough, if the test agrees."""
    return Finding(
        kind=kind,
        name=name,
        alarm=compared.size > limit,
        sentence=f"{words[0].upper()}{words[1:]}.",
        value=compared.size,
        limit=limit,
        p_value=compared.p,
        figures=compared.figures,
    )


def moved(
    names: tuple[str, ...], counts_K: NDArray[np.int64], before_K: NDArray[np.int64], what: str = "answers"
) -> str:
    """The class whose share has changed most, in words."""
    shares_K, then_K = counts_K / max(counts_K.sum(), 1), before_K / max(before_K.sum(), 1)
    place = int(np.abs(shares_K - then_K).argmax())
    return f"{shares_K[place]:.1%} of the {what} are {names[place]}, of the held-out ones {then_K[place]:.1%}"
