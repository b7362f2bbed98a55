"""Series as they lie on disk: one long series with time stamps, or a series a record. No torch.

Shapes: N records or steps.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lightloop.config.data import Part
from lightloop.config.series import SeriesSpec
from lightloop.data.files import read_table, where_is
from lightloop.errors import RefusedError


def read(spec: SeriesSpec, root: Path, part: Part) -> pa.Table:
    """See `data.records.read_records`.

    Of a forecast a row is a time step: `id` (the time stamp as text), the time stamp under its own name, and `label`
    (float64, null in gaps), in the order of the file. Else a row is a whole series: `id`, the feature column (lists of
    float32, NaN in gaps), `label`, and what is read for evaluation.
    """
    if spec.problem == "forecasting":
        return _read_steps(spec, root, part)
    carried = spec.with_role("group", "time", "sensitive", "slice", "auxiliary")
    target = spec.with_role("target")
    table = read_table(spec, root, part, [spec.feature, *target, *carried])
    where = where_is(spec, part)
    columns = {
        "id": pa.array([f"{part}/{row}" for row in range(len(table))], pa.string()),
        spec.feature: _lists(table.column(spec.feature), spec.feature, where),
        **{name: table.column(name) for name in carried},
    }
    if target:
        label = table.column(spec.target)
        is_number = spec.problem == "regression"
        columns["label"] = numbers(label, spec.target, where) if is_number else label.cast(pa.string())
    return pa.table(columns)


def _read_steps(spec: SeriesSpec, root: Path, part: Part) -> pa.Table:
    table = read_table(spec, root, part, [spec.time, spec.target])
    where = where_is(spec, part)
    times = time_stamps(table.column(spec.time), spec.time, where)
    return pa.table(
        {
            "id": pa.array(stamp_names(times), pa.string()),
            spec.time: pa.array(times, pa.timestamp("s")),
            "label": numbers(table.column(spec.target), spec.target, where),
        }
    )


def stamp_names(times: np.ndarray) -> list[str]:
    """Time stamps as text: dates alone where all are of midnight.

    Examples:
        >>> stamp_names(np.array(["2000-01-01", "2000-01-02"], dtype="datetime64[s]"))
        ['2000-01-01', '2000-01-02']
    """
    seconds = times.astype("datetime64[s]")
    days = seconds.astype("datetime64[D]")
    return [str(stamp) for stamp in (days if (days == seconds).all() else seconds)]


def time_stamps(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """A column as time stamps (N,), datetime64[s]; those with a zone in UTC.

    Raises:
        RefusedError: one is missing or can't be read.
    """
    kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        stamps = pd.Series(column.cast(pa.timestamp("s"), safe=False).to_pandas())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        stamps = pd.to_datetime(column.to_pandas(), errors="coerce", utc=True, format="ISO8601").dt.tz_localize(None)
    else:
        raise RefusedError(
            f"{where} has the time stamps {name!r} of type {kind}: expected dates, or texts such as 1998-01-31"
        )
    lost = np.flatnonzero(stamps.isna())
    if len(lost):
        came = column[int(lost[0])].as_py()
        raise RefusedError(
            f"{where} has {came!r} in the column {name!r}, row {lost[0] + 1}: "
            "expected a date or time such as 1998-01-31"
        )
    return stamps.to_numpy().astype("datetime64[s]")


def numbers(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    """A column as float64; what is missing or NaN is null.

    Raises:
        RefusedError: it holds something else, or an infinity.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return column.cast(pa.float64())
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        found = _first_text(column) if pa.types.is_string(kind) or pa.types.is_large_string(kind) else ""
        raise RefusedError(f"{where} has the column {name!r} of type {kind}{found}: expected numbers, nulls in gaps")
    column = column.cast(pa.float64(), safe=False)
    column = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    if pc.any(pc.is_inf(column)).as_py():
        row = pc.index(pc.is_inf(column), True).as_py()
        raise RefusedError(f"{where} has an infinity in the column {name!r}, row {row + 1}: expected numbers")
    return column


def _first_text(column: pa.ChunkedArray) -> str:
    """Where in a column of texts the first stands that is no number."""
    values = pd.to_numeric(column.to_pandas().astype("str"), errors="coerce")
    lost = np.flatnonzero(values.isna() & column.is_valid().to_pandas())
    return f" ({column[int(lost[0])].as_py()!r} in row {lost[0] + 1})" if len(lost) else ""


def _lists(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    """A column of series as lists of float32."""
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    inner = kind.value_type if is_list else None
    if inner is None or not (pa.types.is_floating(inner) or pa.types.is_integer(inner) or pa.types.is_null(inner)):
        raise RefusedError(f"{where} has series {name!r} of type {kind}: expected lists of numbers")
    return column.cast(pa.list_(pa.float32()))
