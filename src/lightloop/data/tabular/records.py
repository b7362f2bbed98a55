"""Records of tables as they lie on disk: Parquet or CSV. No torch."""

from pathlib import Path

import pyarrow as pa

from lightloop.config.data import Part
from lightloop.config.tabular import TabularSpec
from lightloop.data.files import read_table, where_is
from lightloop.data.tabular.input import as_categories, as_numbers, is_number_type
from lightloop.errors import RefusedError

# Columns that travel with the records as they are.
CARRIED = ("group", "time", "sensitive", "slice", "auxiliary")


def read(spec: TabularSpec, root: Path, part: Part) -> pa.Table:
    """See `data.records.read_records`. Features are float64 (numbers) or text (categories and ordered ones).

    Raises:
        LightloopError: the file is missing or not readable.
        RefusedError: a column is missing or of the wrong kind, ids repeat, or there is no record.
    """
    where = where_is(spec, part)
    carried = spec.with_role(*CARRIED)  # type: ignore[arg-type]
    ids = [spec.id] if spec.id else []
    targets = spec.with_role("target")
    table = read_table(spec, root, part, [*ids, *spec.features, *targets, *carried])
    if not len(table):
        raise RefusedError(f"{where} has no record: give it some")
    columns = {"id": _ids(table.column(spec.id), where) if spec.id else [f"{part}/{row}" for row in range(len(table))]}
    for name in spec.features:
        column = table.column(name)
        kind = spec.columns[name].kind or ("number" if is_number_type(column.type) else "category")
        columns[name] = (
            pa.array(as_numbers(column, name), from_pandas=True) if kind == "number" else as_categories(column, name)
        )
    if targets:
        label = table.column(spec.target)
        columns["label"] = (
            as_categories(label, spec.target)
            if spec.problem == "classification"
            else pa.array(as_numbers(label, spec.target), from_pandas=True)
        )
    return pa.table(columns | {name: table.column(name) for name in carried})


def _ids(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    ids = as_categories(column, "id")
    seen: set[str | None] = {None}
    for name in ids.to_pylist():
        if name in seen:
            raise RefusedError(f"{where} has the id {name!r} twice or not at all: each record needs one of its own")
        seen.add(name)
    return ids
