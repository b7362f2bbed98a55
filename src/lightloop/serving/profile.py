"""What a bundle's training records and held-out answers were like: the reference that monitoring compares with.

`profile.json` holds quantiles and counts, `profile.npz` the held-out answers beside the truth: no raw record. It is
made by `release.profile` at export. NumPy alone.

Shapes: N held-out records, K classes, H numbers of one answer, P points.
"""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lightloop.errors import LightloopError
from lightloop.serving.manifest import ANEW, PROFILE, PROFILE_ARRAYS, Manifest


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Frozen):
    """A column of numbers or categories as it was: one feature of a table, a number that describes an image, text or
    series (`serving.described`), an answer, or the truth.

    Attributes:
        name: of the column.
        kind: `number` or `category`.
        n: records that were looked at.
        missing: of them, those without a value.
        points: of numbers: at most 256 values that were there, rising: all different ones where there are no more,
            else quantiles.
        counts: of numbers: how many records have at most the value of each point; the last is n less missing.
        mean, std: of the known numbers; 0 where there is none.
        values: of categories: how many records have each, the most frequent first; at most 100.
        other: of categories: records with a rarer one.
    """

    name: str
    kind: Literal["number", "category"]
    n: int
    missing: int = 0
    points: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    mean: float = 0.0
    std: float = 0.0
    values: dict[str, int] = Field(default_factory=dict)
    other: int = 0

    @property
    def known(self) -> int:
        """Records that have a value."""
        return self.n - self.missing


class Slice(_Frozen):
    """How wrong the held-out answers are in a group of records.

    Attributes:
        column, value: of the records as they are asked for (a category of a feature).
        n: held-out records of the group.
        error: mean error of a record: 1 for a wrong class and 0 for the right one; of numbers the absolute error.
        std: of the records' errors.
    """

    column: str
    value: str
    n: int
    error: float
    std: float


class Attributions(_Frozen):
    """What held-out answers rest on, by `serving.attributions` with its own settings; the rows are in `HeldOut`.

    Attributes:
        n: records that were explained.
        names: of the parts.
        mean: mean absolute value of each part over the records, in the unit of the score.
        std: its deviation from record to record.
    """

    n: int
    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Profile(_Frozen):
    """`profile.json`.

    Attributes:
        format: of the file.
        n: training records.
        held_out: test records with an answer and the truth; 0 where there are none, and then `answers`, `metrics`,
            `slices`, `attributions` are empty.
        features: training inputs, as `serving.described.described` names them; of texts those of held-out records,
            since the vocabulary knows the training texts better than any other.
        answers: held-out answers: `label` (the class decided for) and `probability` (of that class); or `value`, with
            a number behind it where an answer has several.
        truth: the labels of the training records (`label`, or `value` and so on).
        metrics: by name what the bundle reaches on the held-out records, see `config.metrics.METRICS`.
        slices: of held-out records.
        attributions: of held-out answers; null where the bundle can't explain.
    """

    format: Literal[1] = 1
    n: int
    held_out: int = 0
    features: tuple[Column, ...] = ()
    answers: tuple[Column, ...] = ()
    truth: tuple[Column, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    attributions: Attributions | None = None


@dataclass(frozen=True)
class HeldOut:
    """Held-out answers beside the truth: `profile.npz`. All empty where there are none.

    Attributes:
        probabilities: (N, K), float32; (0, 0) but of classes.
        labels: the right classes (N,), int64, places in the manifest's `classes`.
        values: answers (N, H), float32; (0, 0) but of numbers.
        truths: what was right (N, H), float64.
        last: of forecasts the last known value (N,) of each record, float64; else (0,).
        novelty: p-values (N,), float64; (0,) where the bundle tells none.
        attributions: |Shapley value| (M, U), float32, of some of the records; (0, 0) where the bundle can't explain.
        described: some of the records (R, D), float32, as `serving.novelty.Describer` describes inputs; (0, 0) where
            the bundle tells no novel records.
    """

    probabilities: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    labels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    values: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    truths: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    last: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    novelty: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    attributions: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    described: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def read_profile(folder: Path, manifest: Manifest) -> Profile:
    """The profile of a bundle.

    Args:
        folder: of the bundle, which is verified.
        manifest: of it.

    Raises:
        LightloopError: it has none, or one that does not fit.
    """
    path = folder / PROFILE
    if not path.exists():
        raise LightloopError(no_profile(manifest))
    try:
        return Profile.model_validate(json.loads(path.read_bytes()))
    except (ValueError, ValidationError) as error:
        raise LightloopError(f"{path} does not fit ({str(error).splitlines()[0]}): {ANEW}") from None


def no_profile(manifest: Manifest) -> str:
    """What an older bundle lacks, in a sentence."""
    return (
        f"the bundle {manifest.name!r} of format {manifest.format} has no profile of its training records, so there is "
        "nothing to compare the log with: export and promote it anew (`lightloop run` makes format 4)"
    )


def read_held_out(folder: Path) -> HeldOut:
    """The held-out answers of a bundle that has a profile.

    Raises:
        LightloopError: the file does not fit.
    """
    path = folder / PROFILE_ARRAYS
    try:
        with np.load(path) as content:  # no pickled objects: NumPy refuses them
            return HeldOut(**{one.name: content[one.name] for one in fields(HeldOut)})
    except (OSError, ValueError, KeyError) as error:
        raise LightloopError(f"{path} does not fit ({error}): {ANEW}") from None
