"""What labels that came later say: whether they have drifted, and how good the answers were.

Labels may come late and for some answers alone: every sentence says for how many, and `selective` whether those are
answers that the model was surer or less sure of than of the rest.

Shapes: N answers of a window, M held-out ones, K classes, H numbers of one answer.
"""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from lightloop.config.metrics import METRICS
from lightloop.evaluation.bootstrap import Scorer, intervals
from lightloop.evaluation.draws import Draws, blocks
from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.evaluation.number_metrics import NumberMetrics
from lightloop.monitoring.against import MOST, Against
from lightloop.monitoring.answered import Answered
from lightloop.monitoring.answers import drifted, moved, surety
from lightloop.monitoring.comparing import Compared, counts_differ, metric_worse, numbers_differ
from lightloop.monitoring.findings import Finding

CONFIDENCE, RESAMPLES = 0.95, 500


def look(now: Answered, against: Against) -> list[Finding]:
    """Label drift, and every metric of the gate against what the bundle reached on its held-out records.

    The test of a metric permutes which records are the window's and which are held-out, so that it is exact for any
    metric and any number of records where nothing has changed.

    Returns:
        Findings of the kinds `label_drift` and `performance`, uncorrected. Without enough labels one that says so.
    """
    if not (now.classes or now.numbers) or not len(now):
        return []
    known = now.labelled
    if len(known) < against.fewest:
        sentence = f"{len(known)} of {len(now)} answers have a label: {against.fewest} are needed to judge the answers."
        return [
            Finding(kind="performance", alarm=False, sentence=sentence, figures={"labelled": len(known) / len(now)})
        ]
    return [*_labels(known, against), *_performance(now, known, against)]


def _labels(known: Answered, against: Against) -> Iterator[Finding]:
    limit = against.config.answers.drift
    if not against.size or known.manifest.problem == "forecasting":
        return
    if known.classes:
        names = known.manifest.classes
        counts, before = (np.bincount(codes, minlength=len(names)) for codes in (known.labels, against.held.labels))
        words = moved(names, counts, before, "labels")
        yield drifted("label_drift", "label", counts_differ(counts, before, against.seed), limit, words)
        return
    for place in range(known.truths.shape[1]):
        truths_N, held_M = known.truths[:, place], against.held.truths[:, place]
        name = "value" if known.truths.shape[1] == 1 else f"value {place + 1}"
        words = f"the median of what was true is {np.median(truths_N):.4g}, of held-out records {np.median(held_M):.4g}"
        yield drifted("label_drift", name, numbers_differ(truths_N, held_M), limit, words)


def _performance(now: Answered, known: Answered, against: Against) -> Iterator[Finding]:
    if not against.size:
        return
    some = known.drawn(MOST, against.seed, against.block)
    pooled, now_N = together(some, against, against.judged)
    own = scorer_of(some, against, against.judged)
    found = intervals(own, confidence=CONFIDENCE, resamples=RESAMPLES, seed=against.seed)
    share = {"labelled": len(known) / len(now), **_selective(now)}
    for metric in (name for name in against.judged if name in pooled.names):
        compared = metric_worse(pooled, now_N, metric, against.seed, against.block)
        if np.isnan(compared.size):
            continue
        limit = limit_of(against, metric, compared.figures["then"], against.config.answers.loss)
        ends = {"low": found[metric].low, "high": found[metric].high}
        figures = {**compared.figures, **{k: v for k, v in ends.items() if v is not None}, **share}
        words = (
            f"{METRICS[metric].title} of {len(known)} labelled answers ({share['labelled']:.0%}) is "
            f"{compared.figures['now']:.4g}, of {against.size} held-out ones {compared.figures['then']:.4g}"
        )
        yield drifted("performance", metric, Compared(compared.size, compared.p, figures), limit, words)


def limit_of(against: Against, metric: str, then: float, loss: float) -> float:
    """How much worse a metric has to be: as `loss` says, or the gate's margin where that is larger.

    At a `loss` of 0.03 an error that was 2.0 in the target's unit has to be 0.06 larger, an accuracy 0.03 smaller.
    """
    bounded = METRICS[metric].high is not None and METRICS[metric].direction == "higher"
    return max(against.margin(metric), loss if bounded else loss * abs(then))


def scorer_of(known: Answered, against: Against, names: Collection[str]) -> Scorer:
    """The labelled answers of a window as a scorer of some metrics."""
    draws = blocks(Draws(len(known), against.block))
    if known.classes:
        return WeightedMetrics(known.labels, known.probabilities, names, draws=draws, decided_N=known.codes)
    return NumberMetrics(known.truths, known.values, names, draws=draws)


def together(known: Answered, against: Against, names: Collection[str]) -> tuple[Scorer, NDArray[np.bool_]]:
    """Held-out records and labelled ones of a window as one scorer, and which (M + N,) are the window's."""
    held = against.held
    now_N = np.concatenate([np.zeros(against.size, dtype=np.bool_), np.ones(len(known), dtype=np.bool_)])
    if known.classes:
        p_NK = np.concatenate([held.probabilities, known.probabilities])
        labels_N = np.concatenate([held.labels, known.labels])
        codes_N = np.concatenate([against.held_codes, known.codes])
        return WeightedMetrics(labels_N, p_NK, names, decided_N=codes_N), now_N
    values_NH = np.concatenate([held.values.astype(np.float64), known.values])
    return NumberMetrics(np.concatenate([held.truths, known.truths]), values_NH, names), now_N


def _selective(now: Answered) -> dict[str, float]:
    """`selective`: the p-value of "labels come regardless of how sure the answer is"; nothing where all have one."""
    known = now.labelled
    if not now.classes or len(known) == len(now):
        return {}
    sure_N = surety(now.probabilities, now.codes)
    has_N = np.isin(now.rows, known.rows)
    return {"selective": numbers_differ(sure_N[has_N], sure_N[~has_N]).p}
