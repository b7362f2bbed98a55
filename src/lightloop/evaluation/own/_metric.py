"""What a metric of the project's own must be: sums over records, and what is made of their means.

A bootstrap weighs the same records thousands of times. A metric that is a function of weighted means needs one matrix
product for all of them, which is why it is written in two parts. The class says in plain class attributes what
`config.metrics.Metric` holds; its docstring's first line is the meaning, and the file's name is the metric's.

Shapes: N records, K classes, H numbers of an answer, M columns, R weightings.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Metric:
    """What is made of the weighted means of the columns; by default the mean of the first one is the metric."""

    def value(self, means_RM: Floats) -> Floats:
        """The metric (R,) of each weighting, from the means (R, M) of the columns; NaN where it is undefined."""
        return means_RM[:, 0]


class ClassMetric(Metric, ABC):
    """A metric of a classifier."""

    @abstractmethod
    def columns(self, labels_N: NDArray[np.int64], p_NK: Floats, decided_N: NDArray[np.int64]) -> Floats:
        """What is averaged: columns (N, M), a row a record.

        Args:
            labels_N: the right class, 0 to K-1.
            p_NK: probabilities, rows that sum to 1.
            decided_N: the class that is answered, which need not be the most probable one.
        """


class NumberMetric(Metric, ABC):
    """A metric of predicted numbers."""

    @abstractmethod
    def columns(self, labels_NH: Floats, predictions_NH: Floats) -> Floats:
        """What is averaged: columns (N, M), a row a record, of its H numbers alike.

        Args:
            labels_NH: the right numbers.
            predictions_NH: the answers.
        """


def means(columns_NM: Floats, weights_RN: NDArray[Any]) -> Floats:
    """The weighted means (R, M) of columns; NaN where a weighting is 0 throughout.

    Examples:
        >>> means(np.array([[1.0], [3.0]]), np.array([[1, 1], [1, 3], [0, 0]])).tolist()
        [[2.0], [2.5], [nan]]
    """
    weights = weights_RN.astype(np.float64)
    totals_R1 = weights.sum(1, keepdims=True)
    sums_RM = weights @ columns_NM
    return np.divide(sums_RM, totals_R1, out=np.full(sums_RM.shape, np.nan), where=totals_R1 != 0)
