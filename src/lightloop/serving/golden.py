"""Golden records: a few real ones with the answers of the released graph, by which who loads a bundle checks himself.

They lie in `golden.json`. Whoever may read the bundle reads them: they hold what enters the model, and no other column.

Shapes: N records, M numbers of an answer.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from lightloop.errors import LightloopError
from lightloop.serving.manifest import ANEW, GOLDEN, Manifest
from lightloop.serving.records import to_json

if TYPE_CHECKING:
    from lightloop.serving.predictor import Predictor

MOST = 8
# Another processor sums in another order: float32 answers move by about 1e-6, int8 ones on processors without the
# instructions that they were measured with by about 1e-3. Another model is further away.
TOLERANCE = 2e-3
DIGITS = 7


class Golden(BaseModel):
    """Records with the answers that a bundle gave when it was made.

    Attributes:
        records: in the form that a request has them.
        answers: M numbers each: the probabilities of the classes, or the numbers; of a made image the mean level of
            each channel.
        tolerance: how far an answer may be from them: of probabilities as it is, of other numbers times the largest
            of the answers, at least 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    records: tuple[dict[str, Any], ...] = ()
    answers: tuple[tuple[float, ...], ...] = ()
    tolerance: float = TOLERANCE

    def check(self, answers: list[list[float]], who: str = "the bundle") -> None:
        """Compare answers to `records`, in their order, with those that were released.

        Args:
            answers: of each record, see there.
            who: gave them, for the sentence.

        Raises:
            LightloopError: an answer is another one, missing, or no number.

        Examples:
            >>> Golden(records=({"text": "hello"},), answers=((0.25, 0.75),)).check([[0.2501, 0.7499]])
        """
        if len(answers) != len(self.answers):
            raise LightloopError(f"{who} answers {len(answers)} of {len(self.answers)} golden records: {ANEW}")
        scale = max(1.0, max((abs(number) for one in self.answers for number in one), default=1.0))
        for place, (expected, came) in enumerate(zip(self.answers, answers, strict=True), start=1):
            if len(expected) != len(came):
                raise LightloopError(
                    f"{who} answers golden record {place} by {len(came)} numbers, not {len(expected)}: {ANEW}"
                )
            off = np.abs(np.array(expected) - np.array(came, dtype=np.float64)) / scale
            # NaN is not near anything.
            if len(off) and not (off <= self.tolerance).all():
                worst = int(np.argmax(np.nan_to_num(off, nan=np.inf)))
                raise LightloopError(
                    f"{who} answers golden record {place} with {came[worst]:.6g}, but {expected[worst]:.6g} was "
                    f"released (tolerance {self.tolerance * scale:g}): {ANEW}"
                )


def make_golden(predictor: "Predictor", table: pa.Table, *, tolerance: float = TOLERANCE) -> Golden:
    """Records of a table with the predictor's own answers.

    Args:
        predictor: of the bundle that the records are for.
        table: what to ask, at most `MOST` of them are taken (see `chosen`).
        tolerance: see `Golden`.

    Raises:
        RefusedError: a record is not as the manifest's input says.
    """
    records = to_json(predictor.manifest, table.slice(0, MOST))
    answers = golden_answers(predictor, records)
    return Golden(
        records=tuple(records),
        answers=tuple(tuple(float(f"{number:.{DIGITS}g}") for number in one) for one in answers),
        tolerance=tolerance,
    )


def golden_answers(
    predictor: "Predictor", records: list[dict[str, Any]] | tuple[dict[str, Any], ...]
) -> list[list[float]]:
    """What a predictor answers to golden records, in the form of `Golden.answers`."""
    if not records:
        return []
    answers_NM: NDArray[Any] = predictor.answers(predictor.table(list(records)))[predictor.manifest.answer]
    if answers_NM.ndim == 4:
        answers_NM = answers_NM.astype(np.float64).mean((2, 3))
    return [[float(number) for number in one] for one in answers_NM.reshape(len(answers_NM), -1)]


def check_golden(predictor: "Predictor") -> int:
    """Ask a predictor its own golden records.

    Returns:
        How many there are; 0 in a bundle of format 1 or 2, or that was made without records.

    Raises:
        LightloopError: an answer is not the released one: the bundle, ONNX Runtime or the processor is another.
    """
    golden = predictor.golden
    golden.check(golden_answers(predictor, golden.records))
    return len(golden.records)


def chosen(manifest: Manifest, table: pa.Table, seed: int) -> pa.Table:
    """Up to `MOST` records of a table for `make_golden`: of classes in turn, else drawn.

    Args:
        manifest: of the bundle.
        table: records, with `label` where there are classes.
        seed: of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(table))
    if manifest.classes and "label" in table.column_names:
        labels = np.asarray(table.column("label").to_pylist(), dtype=object)[order]
        turn = np.zeros(len(order), dtype=np.int64)
        for name in manifest.classes:
            own = np.flatnonzero(labels == name)
            turn[own] = np.arange(len(own))
        order = order[np.argsort(turn, kind="stable")]
    return table.take(np.sort(order[:MOST]))


def read_golden(folder: Path) -> Golden:
    """The golden records of a bundle; none where it has no such file.

    Raises:
        LightloopError: the file is not whole.
    """
    path = folder / GOLDEN
    if not path.exists():
        return Golden()
    try:
        return Golden.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise LightloopError(f"{path} does not fit ({first['msg']}): {ANEW}") from None
