"""The answer for a single record with classes: what `Predictor.told` says of it, in fewer steps, since a request waits.

NumPy takes longer to begin with ten numbers than Python to be done with them; with many classes it is the other way
round, and the general way answers.

Shapes: K classes.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import inf, isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightloop.calibration.rules import ROUNDING, Abstain, Calibration, Conformal, Decision
from lightloop.data.inputs import Feeds
from lightloop.serving.manifest import Manifest
from lightloop.serving.novelty import Reference
from lightloop.serving.predictions import Novelty, Prediction

MOST: Final = 32  # classes
Row = list[float]


class One:
    """Answers by the rules of one bundle."""

    def __init__(self, manifest: Manifest, reference: Reference | None) -> None:
        """Made by `one_of`.

        Args:
            manifest: of a bundle that answers probabilities.
            reference: by which it tells novel records; None where it doesn't.
        """
        rules = manifest.rules
        self._classes, self._reference = manifest.classes, reference
        self._decide, self._possible, self._abstains = _deciding(rules.decision), _including(rules), _abstaining(rules)
        self._level = rules.conformal.at().level if rules.conformal else None
        self._novel = manifest.novelty.level if manifest.novelty else 0.0

    def __call__(
        self, feeds: Feeds, answers: dict[str, NDArray[Any]], warnings: tuple[str, ...] = ()
    ) -> Prediction | None:
        """The prediction for the one record; None where it is not finite.

        Args:
            feeds: the record as the graph takes it.
            answers: the graph's.
            warnings: about it.
        """
        row: Row = answers["probabilities"][0].tolist()
        if not isfinite(sum(row)):
            return None
        code = self._decide(row)
        possible = self._possible(row)
        novelty = None
        if self._reference is not None:
            score, p_value = self._reference.judge_one(feeds, answers)
            novelty = Novelty(score, p_value, p_value <= self._novel)
        return Prediction(
            self._classes[code],
            row[code],
            tuple(row),
            tuple([self._classes[place] for place in possible]),
            self._level,
            self._abstains(row[code], possible),
            novelty,
            warnings,
        )


def one_of(manifest: Manifest, reference: Reference | None) -> One | None:
    """That of a bundle; None where its answers are no classes, or too many."""
    return One(manifest, reference) if manifest.answer == "probabilities" and len(manifest.classes) <= MOST else None


def _deciding(decision: Decision) -> Callable[[Row], int]:
    """See `Decision.decide`."""
    match decision:
        case Decision(name="threshold", positive=positive, threshold=threshold):
            return lambda row: positive if row[positive] >= threshold else 1 - positive
        case Decision(name="costs"):
            return lambda row: int(decision.decide(np.array([row]))[0])
        case _:
            return lambda row: row.index(max(row))


def _including(rules: Calibration) -> Callable[[Row], Sequence[int]]:
    """See `Calibration.sets`: places of the classes that the truth is among."""
    match rules.conformal:
        case None:
            return lambda row: range(len(row))
        case Conformal(score=score) as conformal:
            limits = [(inf if one is None else one) + ROUNDING for one in conformal.at().quantiles]

            def inside(row: Row) -> Sequence[int]:
                scores = [1 - p for p in row] if score == "lac" else _summed(row)
                own = limits * len(row) if len(limits) == 1 else limits
                return [place for place, number in enumerate(scores) if number <= own[place]]

            return inside


def _summed(row: Row) -> Row:
    """Of each class the sum of the probabilities down to its own; of equal ones the first goes first."""
    order = sorted(range(len(row)), key=lambda place: -row[place])
    found = [0.0] * len(row)
    for place, total in zip(order, accumulate(row[place] for place in order), strict=True):
        found[place] = total
    return found


def _abstaining(rules: Calibration) -> Callable[[float, Sequence[int]], bool]:
    """See `Calibration.abstains`: by the probability of the answer and the places of its set."""
    match rules.abstain:
        case Abstain(name="set"):
            return lambda _, possible: len(possible) != 1
        case Abstain(name="accuracy", limit=limit):
            return lambda probability, _: probability < limit - ROUNDING
        case _:
            return lambda _, __: False
