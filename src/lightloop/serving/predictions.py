"""What a bundle answers: one dataclass a kind of problem, and the same as arrays.

Shapes: N records, C channels, H height or numbers of one answer, W width, K classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.serving.records import to_png


@dataclass(frozen=True)
class Novelty:
    """How unlike the training records a record is.

    Attributes:
        score: its distance from them; compared with those of validation records, it has no unit.
        p_value: the share of records like the validation records that are as far or farther: small where it is novel.
        novel: whether the p-value is at most the bundle's level.
    """

    score: float
    p_value: float
    novel: bool


@dataclass(frozen=True)
class Prediction:
    """The answer for one record, a class.

    Attributes:
        label: the class that the bundle's rule decides for: mostly the most probable one, else what its threshold or
            costs say; of equal ones the first in the order of the classes.
        probability: of that class, 0 to 1.
        probabilities: of every class, in the order of the predictor's `classes`.
        possible: the classes that the truth is among, with the chance that `level` says; all where nothing is known.
        level: of the conformal set; None where the bundle has none.
        abstains: whether the model would rather leave the record to a person.
        novelty: None where the bundle can't tell.
        warnings: sentences about the record, such as values outside of the training records' range.
    """

    label: str
    probability: float
    probabilities: tuple[float, ...]
    possible: tuple[str, ...] = ()
    level: float | None = None
    abstains: bool = False
    novelty: Novelty | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class NumberPrediction:
    """The answer for one record, one or several numbers in the target's unit.

    Attributes:
        values: H numbers.
        intervals: for each the two ends between which the truth is, with the chance that `level` says; None for an end
            of which nothing is known.
        level: of the conformal intervals; None where the bundle has none.
        novelty, warnings: as of a `Prediction`.
    """

    values: tuple[float, ...]
    intervals: tuple[tuple[float | None, float | None], ...]
    level: float | None = None
    novelty: Novelty | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """The answer for one record of noise, an image.

    Attributes:
        image: pixels (C, H, W), uint8, levels 0 to 255.
        warnings: as of a `Prediction`.
    """

    image: NDArray[np.uint8]
    warnings: tuple[str, ...] = ()

    def png(self) -> bytes:
        """The image as a PNG file."""
        return to_png(self.image)


AnyPrediction = Prediction | NumberPrediction | Sample


@dataclass(frozen=True)
class Scored:
    """Answers to N records as arrays: what `predict` makes its dataclasses of, for who wants columns.

    Attributes:
        answers: of the graph, by name, (N, ...) each.
        codes: (N,) of the classes decided for; None where there are none. So are `sets` (N, K) and `abstains` (N,).
        ends: (N, H, 2) of the intervals, infinite where nothing is known; None but for numbers.
        novelty: scores (N,) and p-values (N,); None where the bundle can't tell.
        warnings: of each record.
        feeds: what the graph was asked, as the bundle's input encodes it.
    """

    answers: dict[str, NDArray[Any]]
    codes: NDArray[np.int64] | None
    sets: NDArray[np.bool_] | None
    abstains: NDArray[np.bool_] | None
    ends: NDArray[np.floating[Any]] | None
    novelty: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    warnings: list[tuple[str, ...]]
    feeds: Mapping[str, NDArray[Any]] = field(default_factory=dict)
