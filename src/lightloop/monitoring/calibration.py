"""Whether the answers are as sure as they should be: calibration of probabilities, coverage of sets and intervals.

Shapes: N labelled answers, M held-out ones, K classes, H numbers of one answer, S simulations, B bins.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.evaluation.draws import Draws
from lightloop.evaluation.figures import Figures, mean_of
from lightloop.evaluation.metrics import BINS, bins_of
from lightloop.monitoring.against import MOST, Against
from lightloop.monitoring.answered import Answered
from lightloop.monitoring.answers import drifted
from lightloop.monitoring.comparing import Compared, metric_worse, share_differs
from lightloop.monitoring.findings import Finding

SIMULATIONS = 4999
CHUNK = 2_000_000  # drawn labels held at once


def look(now: Answered, against: Against) -> list[Finding]:
    """The calibration error and the coverage of labelled answers.

    The calibration error is held against its own distribution if the probabilities were right (labels are drawn from
    them; Bröcker & Smith 2007), since noise alone makes it larger than 0; the limit is on what is beyond that, and
    beyond what the held-out records had. Coverage is held against that of the held-out records.

    Returns:
        Findings of the kind `calibration`, uncorrected; none without enough labels.
    """
    known = now.labelled
    if len(known) < against.fewest or not against.size:
        return []
    if known.classes:
        return [_error(known, against), *_sets(known, against)]
    return [*_intervals(known, against)] if known.numbers else []


def _error(known: Answered, against: Against) -> Finding:
    some = known.drawn(MOST, against.seed)
    held_M = against.held.probabilities.astype(np.float64)
    error, simulated_S = calibration_error(some.probabilities, some.labels, against.seed)
    before, of_chance_S = calibration_error(held_M, against.held.labels, against.seed)
    excess, held = error - float(simulated_S.mean()), max(0.0, before - float(of_chance_S.mean()))
    p = float((1 + (simulated_S >= error - 1e-12).sum()) / (1 + len(simulated_S)))
    figures = {"ece": error, "by_chance": float(simulated_S.mean()), "held_out": before}
    words = (
        f"the calibration error of {len(known)} labelled answers is {error:.3g}; of right probabilities it would be "
        f"{simulated_S.mean():.3g} by chance, and on held-out records it was {before:.3g}"
    )
    limit = against.config.answers.calibration + held
    return drifted("calibration", "ece", Compared(excess, p, figures), limit, words)


def calibration_error(
    p_NK: NDArray[np.float64], labels_N: NDArray[np.int64], seed: int
) -> tuple[float, NDArray[np.float64]]:
    """The calibration error, and as many (S,) as drawn labels of right probabilities would give.

    Examples:
        >>> error, simulated = calibration_error(np.array([[0.9, 0.1]] * 50), np.array([0] * 25 + [1] * 25), seed=0)
        >>> round(error, 2), bool((simulated < error).all())
        (0.4, True)
    """
    sure_N = p_NK.max(1)
    inside_NB = (bins_of(sure_N)[:, None] == np.arange(BINS)).astype(np.float64)
    right_N = p_NK.argmax(1) == labels_N
    error = float(np.abs((sure_N - right_N) @ inside_NB).sum() / len(sure_N))
    # How many of a bin are right: of many records with about the same probability as good as binomial, and exact here.
    generator, parts, rows = np.random.default_rng(seed), [], max(1, CHUNK // len(sure_N))
    total = SIMULATIONS if len(sure_N) <= 2000 else SIMULATIONS // 5
    for first in range(0, total, rows):
        drawn_SN = generator.random((min(rows, total - first), len(sure_N)), dtype=np.float32) < sure_N
        parts.append(np.abs(sure_N @ inside_NB - drawn_SN @ inside_NB).sum(1) / len(sure_N))
    return error, np.concatenate(parts)


def _sets(known: Answered, against: Against) -> Iterator[Finding]:
    if against.rules.conformal is None:
        return
    held = against.held
    covered_N = _inside(against, known.probabilities, known.labels)
    covered_M = _inside(against, held.probabilities.astype(np.float64), held.labels)
    yield _coverage(covered_N, covered_M, against, "sets")


def _inside(against: Against, p_NK: NDArray[np.float64], labels_N: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(against.rules.sets(p_NK)[np.arange(len(labels_N)), labels_N], dtype=np.bool_)


def _intervals(known: Answered, against: Against) -> Iterator[Finding]:
    """Of intervals that are as wide for every record: others need the network's own quantiles, which no log holds."""
    conformal = against.rules.conformal
    if conformal is None or conformal.score != "residual":
        return
    held, some = against.held, known.drawn(MOST, against.seed, against.block)
    covered_N = _between(against, some.values, some.truths)
    covered_M = _between(against, held.values.astype(np.float64), held.truths)
    yield _coverage(covered_N, covered_M, against, "intervals")


def _between(against: Against, values_NH: NDArray[np.float64], truths_NH: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share (N,) of the numbers of each answer that lie in their interval."""
    ends_NH2 = against.rules.intervals(values_NH, None)
    return np.asarray(((ends_NH2[:, :, 0] <= truths_NH) & (truths_NH <= ends_NH2[:, :, 1])).mean(1))


def _coverage(now_N: NDArray[Any], held_M: NDArray[Any], against: Against, what: str) -> Finding:
    level = against.rules.conformal.at().level if against.rules.conformal else 0.0
    now, then = float(now_N.mean()), float(held_M.mean())
    if against.block == 1 and set(np.unique(now_N).tolist()) <= {0.0, 1.0}:
        p = share_differs(int(now_N.sum()), len(now_N), int(held_M.sum()), len(held_M), "less").p
    else:
        p = _by_blocks(now_N, held_M, against)
    figures = {"now": now, "then": then, "promised": level}
    words = (
        f"the truth of {len(now_N)} labelled answers lies in {now:.1%} of their {what}; promised are {level:.0%}, "
        f"of held-out ones it does in {then:.1%}"
    )
    # A model that covers more than it promised may lose that.
    size = min(then, level) - now
    return drifted("calibration", "coverage", Compared(size, p, figures), against.config.answers.coverage, words)


def _by_blocks(now_N: NDArray[Any], held_M: NDArray[Any], against: Against) -> float:
    both_N = np.concatenate([held_M, now_N]).astype(np.float64)
    scorer = Figures(Draws(len(both_N)), {"coverage": mean_of(both_N)})
    return metric_worse(scorer, np.arange(len(both_N)) >= len(held_M), "coverage", against.seed, against.block).p
