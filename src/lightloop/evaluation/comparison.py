"""Two models on the same records: what differs, how sure that is, and whether one is worse on any of several counts.

Shapes: N records, R resamples.
Sources: McNemar 1947; Holm 1979; Nadeau & Bengio 2003 (folds, in `training.comparison`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.evaluation.bootstrap import Scorer, interval_of, paired_draws, share_beyond, two_sided
from lightloop.evaluation.evidence import Resampling


def compare_metrics(
    challenger: Scorer, champion: Scorer, margins: Mapping[str, float], how: Resampling
) -> list[dict[str, Any]]:
    """A row a metric: how much better the challenger is on the same records, and p values.

    Args:
        challenger: of the one model.
        champion: of the other.
        margins: by metric how much worse still counts as not worse, in the metric's unit.
        how: confidence, resamples, seed.

    Returns:
        Each row holds `metric`, `margin`; `value` of the difference (positive is better for the challenger) with its
        two-sided interval `low`, `high`; `p` of "no difference", two-sided; `p_worse` of "not worse by more than the
        margin", one-sided; and both after Holm's correction over the metrics, `holm` and `holm_worse`.
    """
    names = list(margins)
    found = paired_draws(challenger, champion, names, resamples=how.resamples, seed=how.seed)
    rows = [_row(name, point, draws_R, margins[name], how.confidence) for name, ((point,), draws_R) in found.items()]
    return corrected(rows, {"p": "holm", "p_worse": "holm_worse"})


def _row(name: str, point: float, draws_R: NDArray[np.float64], margin: float, confidence: float) -> dict[str, Any]:
    interval = interval_of(point, draws_R, confidence)
    known = interval.value is not None
    return {
        "metric": name,
        "margin": margin,
        **asdict(interval),
        "p": two_sided(draws_R) if known else None,
        "p_worse": share_beyond(draws_R, -margin) if known else None,
    }


def corrected(rows: Sequence[dict[str, Any]], keys: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows with p values corrected by Holm over all rows that have one; None where there is none.

    Examples:
        >>> [row["holm"] for row in corrected([{"p": 0.01}, {"p": None}, {"p": 0.04}], {"p": "holm"})]
        [0.02, None, 0.04]
    """
    found = [dict(row) for row in rows]
    for key, name in keys.items():
        with_p = [row for row in found if row[key] is not None]
        adjusted = dict(zip(map(id, with_p), holm([row[key] for row in with_p]), strict=True))
        for row in found:
            row[name] = adjusted.get(id(row))
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p values: the chance of one false alarm or more stays below the level.

    Examples:
        >>> holm([0.01, 0.04])
        [0.02, 0.04]
    """
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def mcnemar_exact(challenger_wrong_N: NDArray[Any], champion_wrong_N: NDArray[Any]) -> dict[str, Any]:
    """McNemar's exact test on the records that one of two classifiers alone gets right.

    Args:
        challenger_wrong_N: whether it is wrong on each record.
        champion_wrong_N: the same of the other.

    Returns:
        `n` records; `challenger_only` and `champion_only`: how many that one alone gets right; `p`, two-sided, of
        "both are right equally often".

    Examples:
        >>> wrong = np.array([1, 1, 1, 1, 1, 1, 0])
        >>> mcnemar_exact(np.zeros(7), wrong)
        {'n': 7, 'challenger_only': 6, 'champion_only': 0, 'p': 0.03125}
    """
    from statsmodels.stats.contingency_tables import mcnemar

    ours, theirs = np.asarray(challenger_wrong_N, bool), np.asarray(champion_wrong_N, bool)
    better, worse = int((~ours & theirs).sum()), int((ours & ~theirs).sum())
    table = [[int((~ours & ~theirs).sum()), better], [worse, int((ours & theirs).sum())]]
    # Of no such record at all nothing can be said.
    p = min(1.0, float(mcnemar(table, exact=True).pvalue)) if better + worse else 1.0
    return {"n": len(ours), "challenger_only": better, "champion_only": worse, "p": p}
