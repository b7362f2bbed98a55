"""Text records as they lie on disk: a Parquet or CSV file, or a folder of class folders with .txt files. No torch."""

from pathlib import Path

import pyarrow as pa

from lightloop.config.data import Part, Role
from lightloop.config.text import TextSpec
from lightloop.data.files import read_table, where_is
from lightloop.errors import LightloopError, RefusedError

# Columns that keep their names.
CARRIED: tuple[Role, ...] = ("group", "time", "sensitive", "slice", "auxiliary")
OURS = ("id", "text", "label")


def read(spec: TextSpec, root: Path, part: Part) -> pa.Table:
    """See `data.records.read_records`; the columns are `id`, `text`, `label`, and those that keep their names.

    In a folder each file is a text in UTF-8, of the class that its folder names; what is no UTF-8 becomes U+FFFD.
    """
    path = root / spec.path / spec.files[part]
    if path.is_dir():
        return _read_folder(spec, path, part)
    carried = spec.with_role(*CARRIED)
    taken = [name for name in carried if name in OURS]
    if taken:
        raise RefusedError(
            f"column {taken[0]!r} has the role {spec.columns[taken[0]].role}, but the name stands for something else "
            f"here: name it otherwise in {where_is(spec, part)} and in configs/data/{spec.name}.yaml"
        )
    table = read_table(spec, root, part, [spec.feature, spec.target, *carried])
    return pa.table(
        {
            "id": pa.array([f"{part}/{row}" for row in range(len(table))], pa.string()),
            "text": _strings(table.column(spec.feature), where_is(spec, part)),
            "label": _labels(table.column(spec.target), spec, part),
            **{name: table.column(name) for name in carried},
        }
    )


def _strings(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Texts in valid UTF-8, nulls as they are."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    # A column without any value has no type of its own.
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise RefusedError(f"{where} has texts of type {kind}: expected strings")
    texts = column.cast(pa.large_string())
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raise RefusedError(f"{where} has a text that is not valid UTF-8: write it anew in UTF-8") from None
    return texts


def _labels(column: pa.ChunkedArray, spec: TextSpec, part: Part) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RefusedError(
            f"{where_is(spec, part)} has a target {spec.target!r} of type {column.type} that is no text ({error})"
        ) from None


def _read_folder(spec: TextSpec, path: Path, part: Part) -> pa.Table:
    files = sorted(file for file in path.glob("*/*") if file.suffix.lower() == ".txt")
    if not files:
        raise LightloopError(
            f"{where_is(spec, part)} holds no texts: expected one folder a class with .txt files in it"
        )
    carried = spec.with_role(*CARRIED)
    if carried:
        raise RefusedError(
            f"{where_is(spec, part)} is a folder, which has no column {carried[0]!r}: give a Parquet file"
        )
    texts = [file.read_bytes().decode("utf-8", errors="replace") for file in files]
    return pa.table(
        {
            "id": pa.array([file.relative_to(path).as_posix() for file in files], pa.string()),
            "text": pa.array(texts, pa.large_string()),
            "label": pa.array([file.parent.name for file in files], pa.string()),
        }
    )
