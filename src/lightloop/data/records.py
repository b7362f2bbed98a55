"""Records as they lie on disk, read into one table, whatever the modality. No torch.

The one reader for the data check, training, evaluation and the champion's evaluation.

Shapes: N records.
"""

import importlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lightloop.config.data import Part
from lightloop.config.schema import AnySpec
from lightloop.data.collected import (
    SPLIT,
    TIME,
    Side,
    collected_file,
    collected_path,
    following_part,
    named,
    read_keys,
    sides_of,
)
from lightloop.errors import RefusedError


def read_records(spec: AnySpec, root: Path, part: Part, *, collected: bool = True) -> pa.Table:
    """All records of one of the spec's files, then those of it that were collected.

    Args:
        spec: the data set.
        root: the project's folder, to which `spec.path` is relative.
        part: which of `spec.files`.
        collected: whether with the records of `data.collected`.

    Returns:
        A row a record. `id` is unique within the part; `label` is the target, null where it is missing or an empty
        text: a string for classes, a float for numbers. An image is in `image` (encoded bytes), a text in `text`; a
        table's features keep their own names. Columns with the roles `group`, `time`, `sensitive`, `slice` and
        `auxiliary` keep theirs.

    Raises:
        LightloopError: the file is missing or not readable.
        RefusedError: a column that the spec names is missing or of the wrong kind.
    """
    table = _read_file(spec, root, part)
    if not collected or spec.files[part] == spec.unlabelled:
        return table
    if spec.problem == "forecasting":
        more = _collected_steps(spec, root) if part == following_part(spec) else None
        return pa.concat_tables([table, more]) if more is not None else table
    by_side = read_collected(spec, root)
    added = [by_side[side] for side in sides_of(spec, part) if side in by_side]
    # Columns that were not in the log have no type there.
    return pa.concat_tables([table, *added], promote_options="permissive")


def read_collected(spec: AnySpec, root: Path, since: datetime | None = None) -> dict[Side, pa.Table]:
    """The records that were collected, by the side that they are on; empty where nothing was, and of forecasts.

    Args:
        spec: the data set.
        root: the project's folder.
        since: UTC; older ones are left out, but those without a time.

    Raises:
        LightloopError: the file is damaged.
    """
    if spec.problem == "forecasting" or not collected_path(spec, root).exists():
        return {}
    keys = read_keys(spec, root)
    table = named(_read_file(_beside(spec), root, "train"), keys)
    sides = keys.column(SPLIT)
    if since is not None:
        times = keys.column(TIME)
        young = pc.fill_null(pc.greater_equal(times, pa.scalar(since, times.type)), True)
        table, sides = table.filter(young), sides.filter(young)
    return {side.as_py(): table.filter(pc.equal(sides, side)) for side in sides.unique()}


def _collected_steps(spec: AnySpec, root: Path) -> pa.Table | None:
    return _read_file(_beside(spec), root, "train") if collected_path(spec, root).exists() else None


def _beside(spec: AnySpec) -> AnySpec:
    """The same data set, whose training file is the collected one."""
    return spec.model_copy(update={"files": {"train": collected_file(spec)}})


def _read_file(spec: AnySpec, root: Path, part: Part) -> pa.Table:
    table: pa.Table = importlib.import_module(f"lightloop.data.{spec.modality}.records").read(spec, root, part)
    if spec.problem != "classification":
        return table
    place = table.schema.get_field_index("label")
    label = table.column(place)
    return table.set_column(place, "label", pc.if_else(pc.equal(label, ""), pa.scalar(None, label.type), label))


def group_codes(groups: Sequence[object]) -> NDArray[np.int64]:
    """A number for each group (N,), in the order of first records; records without a group are groups of their own.

    Examples:
        >>> group_codes(["b", None, "b", "a", None]).tolist()
        [0, 1, 0, 2, 3]
    """
    numbers: dict[object, int] = {}
    keys = (("row", row) if group is None else ("group", group) for row, group in enumerate(groups))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def label_codes(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Each label's place in `classes`, (N,), int64.

    Raises:
        RefusedError: a label is not one of `classes`.

    Examples:
        >>> label_codes(["b", "a"], ["a", "b"]).tolist()
        [1, 0]
    """
    code = {name: number for number, name in enumerate(classes)}
    unknown = sorted({str(label) for label in labels if label not in code})
    if unknown:
        raise RefusedError(f"label {unknown[0]!r} is not one of the data set's classes ({', '.join(classes)})")
    return np.array([code[label] for label in labels], dtype=np.int64)
