"""Figures that are no metric of the config, with intervals by the same bootstrap. NumPy alone.

Shapes: N records, R weightings.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.evaluation.bootstrap import intervals
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.evidence import Resampling, plain
from lightloop.evaluation.metrics import Counts, Floats, Ranks, ratio

Figure = Callable[[Counts], Floats]


class Figures:
    """Named functions of the records' weights, as a scorer (see `bootstrap.Scorer`)."""

    def __init__(self, draws: Draws, functions: Mapping[str, Figure]) -> None:
        self.names = tuple(functions)
        self.records = draws.records
        self.draws = draws
        self.functions = functions

    def scores(self, weights_RN: Counts) -> dict[str, Floats]:
        return {name: function(weights_RN) for name, function in self.functions.items()}

    def noise(self, weights_RN: Counts) -> dict[str, Floats]:
        return {}


def with_intervals(draws: Draws, functions: Mapping[str, Figure], how: Resampling) -> dict[str, Any]:
    """Each figure as `{"value", "low", "high"}`."""
    return plain(intervals(Figures(draws, functions), **asdict(how)))


def mean_of(values_N: NDArray[Any], where_N: NDArray[np.bool_] | None = None) -> Figure:
    """The mean of values; of a part of the records where one is given, and undefined where none of it was drawn.

    Examples:
        >>> mean_of(np.array([1.0, 0.0, 5.0]), np.array([True, True, False]))(np.ones((1, 3), dtype=np.int32)).tolist()
        [0.5]
    """
    part_N = np.ones(len(values_N)) if where_N is None else where_N.astype(np.float64)
    columns_N2 = np.stack([values_N.astype(np.float64) * part_N, part_N], axis=1)

    def figure(weights_RN: Counts) -> Floats:
        sums_R2 = weights_RN.astype(np.float64) @ columns_N2
        return ratio(sums_R2[:, 0], sums_R2[:, 1])

    return figure


def area_of(positive_N: NDArray[np.bool_], scores_N: NDArray[Any]) -> Figure:
    """The chance that a positive scores above a negative (AUROC)."""
    ranks = Ranks(positive_N, scores_N.astype(np.float64))
    return lambda weights_RN: ranks.areas(weights_RN, precision=False)[0]


def wilson(count: int, n: int, confidence: float) -> dict[str, float | None]:
    """A share with Wilson's score interval (1927), which holds also for few records.

    Examples:
        >>> {name: round(value, 4) for name, value in wilson(5, 10, 0.95).items()}
        {'value': 0.5, 'low': 0.2366, 'high': 0.7634}
    """
    if not n:
        return {"value": None, "low": None, "high": None}
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, square = count / n, z * z / n
    middle = (share + square / 2) / (1 + square)
    half = z * ((share * (1 - share) + square / 4) / n) ** 0.5 / (1 + square)
    return {"value": share, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}
