"""Conformal quantiles: how large a set or interval has to be to hold the truth as often as asked for. NumPy.

The guarantee is one over records like those that the quantiles are of, which nothing was fitted on: at least the level,
on average over draws of them (Vovk et al. 2005; arXiv:2107.07511).

Shapes: N records, K classes, H numbers of one answer, Q quantiles.
"""

import math
from collections.abc import Sequence

import numpy as np

from lightloop.calibration.rules import Codes, Conformal, Floats, Quantiles, set_scores
from lightloop.config.calibration import UncertaintyConfig

# Of `by_class=auto`: so many classes at most, and of each at least so many records over what a level leaves out: 50 for
# a level of 0.9, where coverage then varies by about 0.04 from draw to draw.
MOST_CLASSES, TIMES = 20, 5.0


def least_records(level: float) -> int:
    """How many records a quantile of the level needs.

    Examples:
        >>> least_records(0.9), least_records(0.95)
        (9, 19)
    """
    return math.ceil(level / (1 - level) - 1e-9)


def conformal_quantile(scores_N: Floats, level: float) -> float | None:
    """The ceil((N + 1) * level)-th smallest score; None where there are too few for the level.

    Examples:
        >>> conformal_quantile(np.arange(1.0, 10.0), 0.9), conformal_quantile(np.arange(1.0, 9.0), 0.9)
        (9.0, None)
    """
    rank = math.ceil((len(scores_N) + 1) * level - 1e-9)
    return float(np.partition(scores_N, rank - 1)[rank - 1]) if rank <= len(scores_N) else None


def conformal_sets(p_NK: Floats, labels_N: Codes, config: UncertaintyConfig) -> Conformal:
    """The quantiles of sets of classes."""
    scores_N = set_scores(p_NK, config.score)[np.arange(len(labels_N)), labels_N]
    counts_K = np.bincount(labels_N, minlength=p_NK.shape[1])
    by_class = config.by_class == "always" or (config.by_class == "auto" and _large_enough(counts_K, config.levels))
    groups = [scores_N[labels_N == k] for k in range(p_NK.shape[1])] if by_class else [scores_N]
    return Conformal(
        score=config.score,
        by_class=by_class,
        n=tuple(len(group) for group in groups),
        levels=tuple(
            Quantiles(level=level, quantiles=tuple(conformal_quantile(group, level) for group in groups))
            for level in config.levels
        ),
    )


def conformal_intervals(
    labels_NH: Floats, prediction_NH: Floats, quantiles_NHQ: Floats | None, levels: Sequence[float]
) -> Conformal:
    """The quantiles of intervals, one a number: of absolute errors, or of how far truths lie outside the network's."""
    labels_NH = labels_NH.astype(np.float64)
    if quantiles_NHQ is None:
        scores_NH = np.abs(labels_NH - prediction_NH)
    else:
        scores_NH = np.maximum(quantiles_NHQ[:, :, 0] - labels_NH, labels_NH - quantiles_NHQ[:, :, -1])
    return Conformal(
        score="residual" if quantiles_NHQ is None else "cqr",
        n=(len(labels_NH),),
        levels=tuple(
            Quantiles(level=level, quantiles=tuple(conformal_quantile(column, level) for column in scores_NH.T))
            for level in levels
        ),
    )


def _large_enough(counts_K: Codes, levels: Sequence[float]) -> bool:
    least = max(TIMES / (1 - level) for level in levels)
    return len(counts_K) <= MOST_CLASSES and int(counts_K.min()) >= least - 1e-9
