"""Data files: Parquet and CSV, with errors for people. No torch."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from lightloop.config.data import DataSpec, Part
from lightloop.errors import LightloopError, RefusedError

# What stands for a missing value in a CSV file.
NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


def where_is(spec: DataSpec, part: Part) -> str:
    """A part's file as people type it."""
    return f"{spec.path}/{spec.files[part]}"


def read_table(spec: DataSpec, root: Path, part: Part, columns: Sequence[str]) -> pa.Table:
    """The named columns of a part's file, Parquet or CSV by its suffix; a file of `unlabelled` needs no target.

    Raises:
        LightloopError: the file is missing or not readable.
        RefusedError: it lacks a column.
    """
    path, where = root / spec.path / spec.files[part], where_is(spec, part)
    if not path.exists():
        raise LightloopError(f"{where} is missing: get it with `dvc pull --force data.dvc`")
    try:
        names, read = _open(path)
        absent = [name for name in columns if name not in names]
        if absent == spec.with_role("target") and spec.files[part] == spec.unlabelled:
            known = read([name for name in columns if name not in absent])
            return known.append_column(absent[0], pa.nulls(len(known), pa.string()))
        if absent:
            raise RefusedError(
                f"{where} has no column {absent[0]!r} (it has {', '.join(names)}): "
                f"name the right one in configs/data/{spec.name}.yaml"
            )
        return read(list(columns))
    except (pa.ArrowException, OSError) as error:
        kind = "CSV" if path.suffix.lower() == ".csv" else "Parquet"
        reason = str(error).splitlines()[0]
        raise LightloopError(
            f"{where} is not a whole {kind} file ({reason}): restore it with `dvc pull --force data.dvc`"
        ) from None


def _open(path: Path) -> tuple[list[str], Callable[[list[str]], pa.Table]]:
    """The names of a file's columns, and what reads some of them."""
    if path.suffix.lower() == ".csv":
        options = pc.ConvertOptions(null_values=NULLS, strings_can_be_null=True)
        table = pc.read_csv(path, convert_options=options)
        return table.column_names, table.select
    file = pq.ParquetFile(path)
    return file.schema_arrow.names, lambda columns: file.read(columns=columns)
