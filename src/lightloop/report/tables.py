"""What the pages count from predictions: who is taken for whom, and how far confidence can be believed.

Shapes: N records, K classes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BINS = 15  # as the calibration error of `config.metrics` has them


@dataclass(frozen=True)
class Confusion:
    """Counts of (actual, predicted).

    Attributes:
        classes: labels, in the order of rows and columns.
        counts: by actual class, then by predicted class.
        totals: records of each actual class.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    totals: tuple[int, ...]

    def level(self, actual: int, predicted: int) -> int:
        """Depth of a cell's colour, 0 to 10: the share of the actual class, where only nothing at all is 0."""
        cell = self.counts[actual][predicted]
        return max(1, round(10 * cell / self.totals[actual])) if cell else 0

    def pairs(self, most: int) -> list[tuple[str, str, int, int]]:
        """The most frequent mix-ups: actual, predicted, how many, of how many."""
        found = [
            (self.classes[row], self.classes[column], cell, self.totals[row])
            for row, line in enumerate(self.counts)
            for column, cell in enumerate(line)
            if row != column and cell
        ]
        return sorted(found, key=lambda pair: (-pair[2], pair[0], pair[1]))[:most]


def confusion(labels: Sequence[str], predictions: Sequence[str], classes: Sequence[str]) -> Confusion:
    """Count each pair of actual and predicted class.

    Examples:
        >>> confusion(["a", "a", "b"], ["a", "b", "b"], ["a", "b"]).counts
        ((1, 1), (0, 1))
    """
    pairs = Counter(zip(labels, predictions, strict=True))
    counts = tuple(tuple(pairs[actual, predicted] for predicted in classes) for actual in classes)
    return Confusion(tuple(classes), counts, tuple(sum(line) for line in counts))


def probabilities(predictions: pa.Table) -> NDArray[np.float64]:
    """The probabilities of a table of predictions as one array (N, K)."""
    column = predictions.column("probabilities").combine_chunks()
    flat = np.asarray(column.flatten(), dtype=np.float64)
    return flat.reshape(len(column), -1)


def reliability_bins(
    probabilities_NK: NDArray[np.float64], correct_N: NDArray[np.bool_], bins: int = BINS
) -> list[dict[str, Any]]:
    """Records by the confidence of the prediction, in bins of equal width that include their upper edge.

    Args:
        probabilities_NK: of each class, (N, K).
        correct_N: whether the most probable class is the label, (N,).
        bins: how many.

    Returns:
        For each bin `low`, `high`, `n`, `confidence` (mean) and `accuracy`; the last two are None where it is empty.

    Source: Guo et al. 2017, arXiv:1706.04599.

    Examples:
        >>> reliability_bins(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([True, False]), bins=2)[1]["accuracy"]
        0.5
    """
    confidence_N = probabilities_NK.max(axis=1)
    edges = np.linspace(0, 1, bins + 1)
    place_N = np.clip(np.searchsorted(edges, confidence_N, side="left") - 1, 0, bins - 1)
    rows = []
    for number in range(bins):
        inside = place_N == number
        n = int(inside.sum())
        rows.append(
            {
                "low": float(edges[number]),
                "high": float(edges[number + 1]),
                "n": n,
                "confidence": float(confidence_N[inside].mean()) if n else None,
                "accuracy": float(correct_N[inside].mean()) if n else None,
            }
        )
    return rows
