"""What the calibrate stage found, as plain data that evaluation and service apply alike. NumPy, no torch.

Shapes: N records, K classes, H numbers of one answer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from lightloop.config.base import Frozen, Positive
from lightloop.errors import LightloopError
from lightloop.files import read_json

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.int64]
# Probabilities of the graph are float32, quantiles and limits are not, and isotonic scaling makes many records equal:
# what lies on the edge up to rounding is inside.
ROUNDING = 1e-5


class Scaling(Frozen):
    """How logits become probabilities.

    Attributes:
        name: `none` is softmax.
        temperature: that logits are divided by before it.
        curves: of `isotonic`, for each class points (log-odds, probability), rising; probabilities lie on the lines
            between them, and are then divided by their sum.
    """

    name: Literal["none", "temperature", "isotonic"] = "none"
    temperature: Positive = 1.0
    curves: tuple[tuple[tuple[float, float], ...], ...] = ()


class Decision(Frozen):
    """Which class is the answer.

    Attributes:
        name: `argmax` takes the most probable class, of equal ones the first; `threshold` takes `positive` from
            `threshold` on; `costs` takes the class with the lowest expected cost, of equal ones the first.
        positive: place of the class among two.
        threshold: on its probability.
        costs: (K, K), a row an actual class, a column an answer, in the order of the classes.

    Examples:
        >>> p_NK = np.array([[0.7, 0.3], [0.4, 0.6]])
        >>> Decision(name="threshold", positive=1, threshold=0.25).decide(p_NK).tolist()
        [1, 1]
        >>> Decision(name="costs", costs=((0, 9), (1, 0))).decide(p_NK).tolist()
        [0, 0]
    """

    name: Literal["argmax", "threshold", "costs"] = "argmax"
    positive: int = 1
    threshold: float = 0.5
    costs: tuple[tuple[float, ...], ...] = ()

    def decide(self, p_NK: Floats) -> Codes:
        """The class (N,) of each record, int64."""
        match self.name:
            case "threshold":
                reached_N = p_NK[:, self.positive].astype(np.float64) >= self.threshold
                return np.where(reached_N, self.positive, 1 - self.positive).astype(np.int64)
            case "costs":
                return np.asarray((p_NK.astype(np.float64) @ np.array(self.costs)).argmin(1), dtype=np.int64)
            case _:
                return np.asarray(p_NK.argmax(1), dtype=np.int64)

    def reordered(self, classes: Sequence[str], order: Sequence[str]) -> "Decision":
        """The same rule for probabilities in another order of the same classes."""
        places = [list(classes).index(name) for name in order]
        costs = tuple(tuple(self.costs[row][column] for column in places) for row in places) if self.costs else ()
        positive = places.index(self.positive) if self.name == "threshold" else self.positive
        return self.model_copy(update={"costs": costs, "positive": positive})

    def of_others(self) -> "Decision":
        """By what another model is judged that was not calibrated: costs are the user's, a threshold this model's."""
        return self if self.name == "costs" else Decision()


class Quantiles(Frozen):
    """Conformal quantiles of one level.

    Attributes:
        level: the share of records whose truth is to lie in the set or interval.
        quantiles: of the score; of sets one, or one a class; of intervals one a number. None where there were too few
            records for the level: then every class is in the set, and the interval has no end.
    """

    level: float
    quantiles: tuple[float | None, ...]


class Conformal(Frozen):
    """Split-conformal sets or intervals (Vovk et al. 2005; arXiv:2107.07511).

    Attributes:
        score: of sets `lac` or `aps`; of intervals `residual` (around the answer, as wide on every record) or `cqr`
            (arXiv:1905.03222: around the network's own lowest and highest quantile).
        by_class: whether each class has a quantile of its own.
        n: records that the quantiles are of; one number, or one a class.
        levels: in the order of the config.
    """

    score: Literal["lac", "aps", "residual", "cqr"]
    by_class: bool = False
    n: tuple[int, ...]
    levels: tuple[Quantiles, ...]

    def at(self, level: float | None = None) -> Quantiles:
        """The quantiles of a level; by default of the first.

        Raises:
            LightloopError: there are none of that level.
        """
        if level is None:
            return self.levels[0]
        found = [one for one in self.levels if one.level == level]
        if not found:
            known = ", ".join(f"{one.level:g}" for one in self.levels)
            raise LightloopError(f"there are no conformal quantiles of level {level:g}: the levels are {known}")
        return found[0]


class Abstain(Frozen):
    """When the model would rather not answer.

    Attributes:
        name: `set` where the conformal set of the first level does not hold exactly one class; `accuracy` where the
            probability of the answer is below `limit`.
        limit: see there.
    """

    name: Literal["none", "set", "accuracy"] = "none"
    limit: float = 0.0


class Calibration(Frozen):
    """What is done with a network's answers; by default nothing but taking the most probable class.

    Examples:
        >>> p_NK = np.array([[0.95, 0.05], [0.6, 0.4]])
        >>> level = Quantiles(level=0.9, quantiles=(0.7,))
        >>> sets = Conformal(score="lac", n=(99,), levels=(level,))
        >>> released = Calibration(conformal=sets, abstain=Abstain(name="set"))
        >>> released.sets(p_NK).tolist(), released.abstains(p_NK).tolist()
        ([[True, False], [True, True]], [False, True])
    """

    scaling: Scaling = Scaling()
    decision: Decision = Decision()
    conformal: Conformal | None = None
    abstain: Abstain = Abstain()

    def sets(self, p_NK: Floats, level: float | None = None) -> NDArray[np.bool_]:
        """Which classes (N, K) the truth is among, at a level; without conformal quantiles every class."""
        if self.conformal is None:
            return np.ones(p_NK.shape, dtype=np.bool_)
        quantiles = np.array([np.inf if q is None else q for q in self.conformal.at(level).quantiles])
        return np.asarray(set_scores(p_NK, self.conformal.score) <= quantiles + ROUNDING, dtype=np.bool_)

    def intervals(self, prediction_NH: Floats, quantiles_NHQ: Floats | None, level: float | None = None) -> Floats:
        """The ends (N, H, 2), float64, between which the truth is, at a level; infinite where nothing is known.

        Args:
            prediction_NH: the answers.
            quantiles_NHQ: those of the network, where it answers some.
            level: by default the first.
        """
        ends = np.stack([prediction_NH, prediction_NH], axis=2).astype(np.float64)
        if self.conformal is None:
            return ends + np.array([-np.inf, np.inf])
        if self.conformal.score == "cqr":
            assert quantiles_NHQ is not None
            ends = quantiles_NHQ[:, :, [0, -1]].astype(np.float64)
        width_H = np.array([np.inf if q is None else q for q in self.conformal.at(level).quantiles])
        found = ends + np.array([-1.0, 1.0]) * width_H[:, None]
        # A negative width can cross the ends of a network that is too unsure.
        middle_NH = ends.mean(2)
        crossed_NH = found[:, :, 0] > found[:, :, 1]
        return np.asarray(np.where(crossed_NH[:, :, None], middle_NH[:, :, None], found))

    def abstains(self, p_NK: Floats, sets_NK: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Whether the model would rather not answer (N,).

        Args:
            p_NK: probabilities.
            sets_NK: what `sets` gave for them at the first level, where that is known already.
        """
        match self.abstain.name:
            case "set":
                sets_NK = self.sets(p_NK) if sets_NK is None else sets_NK
                return np.asarray(sets_NK.sum(1) != 1, dtype=np.bool_)
            case "accuracy":
                return np.asarray(decided_probability(p_NK, self.decision.decide(p_NK)) < self.abstain.limit - ROUNDING)
            case _:
                return np.zeros(len(p_NK), dtype=np.bool_)


def set_scores(p_NK: Floats, score: str) -> NDArray[np.float64]:
    """How badly each class (N, K) conforms: one minus its probability, or the sum of probabilities down to it.

    Examples:
        >>> set_scores(np.array([[0.5, 0.125, 0.375]]), "aps").tolist()
        [[0.5, 1.0, 0.875]]
    """
    p_NK = np.asarray(p_NK, dtype=np.float64)
    if score == "lac":
        return np.asarray(1 - p_NK, dtype=np.float64)
    order_NK = np.argsort(-p_NK, axis=1, kind="stable")
    sums_NK = np.take_along_axis(p_NK, order_NK, axis=1).cumsum(1)
    scores_NK = np.empty_like(sums_NK)
    np.put_along_axis(scores_NK, order_NK, sums_NK, axis=1)
    return scores_NK


def decided_probability(p_NK: Floats, codes_N: Codes) -> NDArray[np.float64]:
    """The probability (N,) of the answered class."""
    return np.asarray(np.take_along_axis(p_NK, codes_N[:, None], axis=1)[:, 0], dtype=np.float64)


def read_calibration(path: Path) -> Calibration:
    """What the calibrate stage wrote; nothing is done with the answers where it does not apply, or has not run.

    Raises:
        LightloopError: the file is not whole.
    """
    if not path.exists():
        return Calibration()
    content = read_json(path)
    if not content.get("applies"):
        return Calibration()
    try:
        return Calibration.model_validate(content["released"])
    except (ValidationError, KeyError) as error:
        raise LightloopError(
            f"{path} is not what the calibrate stage writes ({_first(error)}): run `lightloop run`"
        ) from None


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return f"it has no {error}"
