"""Checks that need no label: what a change of a raw record must do to the answer. The data spec declares them.

Shapes: N records, K classes, M numbers of an answer, H height, W width, C channels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from lightloop.audit.corruption import (
    change_images,
    change_series,
    change_texts,
    numbers_of,
    replaced,
    with_numbers,
)
from lightloop.audit.scoring import Ruler
from lightloop.calibration.rules import Decision
from lightloop.config.metamorphic import Metamorphic
from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.errors import RefusedError
from lightloop.evaluation.evidence import decision_of
from lightloop.tasks.checkpoint import Model

# What rounding alone does to a float32 answer.
ROUNDING = 1e-5
SHOWN = 5


def metamorphic_rows(
    model: Model, records: pa.Table, ruler: Ruler, checks: Sequence[Metamorphic]
) -> list[dict[str, Any]]:
    """Of robustness.json: a row a check.

    Each has `name`, `expect`, `change`, `n`, `violating` (share of records, with interval), `bound`, `moved` (mean
    change of what is looked at, with interval; of invariance how far it moved, without a sign), `passed`, `examples`
    (ids of violating records, the worst first).

    Raises:
        RefusedError: a column that a check names is not in the records, or its value has the wrong kind.
    """
    before_NM = ruler.values(model.answers(records))
    rows = []
    for check in checks:
        changed = change_records(records, model.config.data, check, model.config.seed)
        after_NM = ruler.values(model.answers(changed))
        moved_N, bad_N = judge_change(before_NM, after_NM, check, model.config.data, rule=decision_of(records))
        violating = ruler.mean(bad_N, records)
        mean = ruler.mean(moved_N, records)
        sign = {"same": 0, "higher": 1, "lower": -1}[check.expect]
        # Against the direction on average, and not by chance: the whole interval lies on the wrong side.
        best = mean["high"] if sign > 0 else mean["low"]
        against = sign != 0 and best is not None and sign * best < -ROUNDING
        worst = np.argsort(np.where(bad_N, -np.abs(moved_N), np.inf), kind="stable")[: int(min(SHOWN, bad_N.sum()))]
        rows.append(
            {
                "name": check.name,
                "expect": check.expect,
                "change": check.model_dump(exclude_none=True, include={"change", "column", "amount", "text"}),
                "label": check.label,
                "n": len(records),
                "violating": violating,
                "bound": check.bound,
                "moved": mean,
                "passed": float(bad_N.mean()) <= check.bound and not against,
                "examples": records.column("id").take(worst).to_pylist(),
            }
        )
    return rows


def judge_change(
    before_NM: NDArray[Any], after_NM: NDArray[Any], check: Metamorphic, spec: AnySpec, *, rule: Decision | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How far each record's answer moved (N,), and which of them violate the check (N,).

    Args:
        before_NM: answers to the records.
        after_NM: answers to the changed ones.
        check: what is expected.
        spec: of the data set.
        rule: by which classes are decided; the most probable one by default.

    Examples:
        >>> from lightloop.config.compose import compose_config
        >>> from lightloop.project import Project
        >>> spec = compose_config(Project.find(), ["experiment=loans"]).data
        >>> richer = Metamorphic(name="x", change="add", amount=1, expect="higher", label="approved", tolerance=0.1)
        >>> before, after = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.2, 0.8], [0.9, 0.1]])
        >>> judge_change(before, after, richer, spec)[1].tolist()
        [False, True]
    """
    before_NM, after_NM, rule = before_NM.astype(np.float64), after_NM.astype(np.float64), rule or Decision()
    finite_N = np.isfinite(after_NM).all(1)
    difference_NM = np.where(finite_N[:, None], after_NM - before_NM, 0.0)
    limit = max(check.tolerance or 0.0, ROUNDING)
    classes = spec.problem == "classification"
    if check.expect == "same":
        moved_N = np.abs(difference_NM).max(1) if classes else np.abs(difference_NM).mean(1)
        other_N = moved_N > limit
        if check.tolerance is None:
            other_N = rule.decide(before_NM) != rule.decide(after_NM)
        return moved_N, other_N | ~finite_N
    moved_N = difference_NM[:, spec.classes.index(str(check.label))] if classes else difference_NM.mean(1)
    sign = 1 if check.expect == "higher" else -1
    return moved_N, (sign * moved_N < -limit) | ~finite_N


def change_records(records: pa.Table, spec: AnySpec, check: Metamorphic, seed: int) -> pa.Table:
    """The records as a check changes them.

    Raises:
        RefusedError: a column is not in the records, or its value has the wrong kind.
    """
    match check.change:
        case "shift" | "flip" | "brighten":
            return change_images(records, lambda image: _changed_image(image, check))
        case "append":
            return change_texts(records, lambda text: text + str(check.text))
        case "prepend":
            return change_texts(records, lambda text: str(check.text) + text)
        case _ if isinstance(spec, SeriesSpec):
            return change_series(records, spec, lambda x: _changed_series(x, check))
        case _:
            return _changed_column(records, check, seed)


def _changed_image(image: Image.Image, check: Metamorphic) -> Image.Image:
    amount = check.amount or 0.0
    match check.change:
        case "flip":
            return ImageOps.mirror(image)
        case "brighten":
            return image.point(lambda level: min(255, round(level * amount)))
        case _:
            moved = ImageChops.offset(image, round(amount), 0)
            # What came round from the other side is the edge once more.
            edge = (
                image.crop((0, 0, 1, image.height))
                if amount > 0
                else image.crop((image.width - 1, 0, image.width, image.height))
            )
            moved.paste(
                edge.resize((abs(round(amount)), image.height)), (0 if amount > 0 else image.width + round(amount), 0)
            )
            return moved


def _changed_series(x_T: NDArray[np.float32], check: Metamorphic) -> NDArray[np.float32]:
    amount = np.float32(check.amount or 0.0)
    if check.change == "forget":
        return np.where(np.arange(len(x_T)) < amount, np.float32(np.nan), x_T).astype(np.float32)
    return x_T + amount if check.change == "add" else x_T * amount


def _changed_column(records: pa.Table, check: Metamorphic, seed: int) -> pa.Table:
    name = str(check.column)
    if name not in records.column_names:
        raise RefusedError(f"data.metamorphic: {check.name!r} names the column {name!r}, which records do not have")
    kind = records.schema.field(name).type
    if check.change in ("add", "scale"):
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise RefusedError(f"data.metamorphic: {check.name!r} changes numbers, but {name!r} holds {kind}")
        values_N, amount = numbers_of(records, name), float(check.amount or 0.0)
        return with_numbers(records, name, values_N + amount if check.change == "add" else values_N * amount)
    if check.change == "set":
        try:
            value = pa.scalar(check.text, pa.string()).cast(kind)
        except pa.ArrowInvalid:
            raise RefusedError(
                f"data.metamorphic: {check.name!r} sets {name!r} to {check.text!r}, but it holds {kind}"
            ) from None
        return replaced(records, name, pa.array([value.as_py()] * len(records), kind))
    return replaced(records, name, pa.array(swapped(records.column(name).to_pylist(), seed), kind))


def swapped(values: Sequence[Any], seed: int) -> list[Any]:
    """Each known value exchanged for another one of those that occur; a single value stays.

    Examples:
        >>> swapped([0, 1, None, 0], seed=0)
        [1, 0, None, 1]
    """
    known = sorted({value for value in values if value is not None})
    if len(known) < 2:
        return list(values)
    steps = np.random.default_rng(seed).integers(1, len(known), size=len(values))
    place = {value: number for number, value in enumerate(known)}
    return [
        None if value is None else known[(place[value] + step) % len(known)]
        for value, step in zip(values, steps.tolist(), strict=True)
    ]
