"""What the pages count from predictions: who is taken for whom."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


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
