"""What is known of each step of a series, or of each whole series: one table that the expectations are about."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.series import SeriesSpec
from lightloop.quality.relations import OF_CLASSES, RELATIONS, label_type, read_parts, relate

# Columns of the table of a forecast, a row a time step, and their pandas types.
STEP_COLUMNS = {
    "id": "str",  # the time stamp
    "part": "str",
    "label": "float64",  # the value; null in gaps
    "time": "datetime64[s]",
    "distance": "float64",  # from the row before, seconds; null in the first row
    "steps": "float64",  # the same as a multiple of the most common distance
    "copies": "Int64",  # rows with the same time stamp, this one included
    "jump": "float64",  # from the last known value before
    "gap": "Int64",  # of a missing value, how many are missing in a row; 0 of a known one
}
# Columns of the table of whole series, a row a series.
SERIES_COLUMNS = {
    "id": "str",
    "part": "str",
    "label": "object",
    "length": "Int64",
    "missing": "float64",  # share of the steps
    "infinite": "boolean",
    "minimum": "float64",
    "maximum": "float64",
    "mean": "float64",
    "std": "float64",
    "constant": "boolean",
    **RELATIONS,
}


def columns_of(spec: SeriesSpec) -> dict[str, str]:
    """Columns of the table and their pandas types; each type can hold a null."""
    if spec.problem == "forecasting":
        return STEP_COLUMNS
    names = [name for name in SERIES_COLUMNS if spec.problem == "classification" or name not in OF_CLASSES]
    return {name: SERIES_COLUMNS[name] for name in names} | {"label": label_type(spec)}


def read_metadata(spec: SeriesSpec, root: Path) -> pd.DataFrame:
    """The metadata table of every part that the data set has.

    Args:
        spec: the data set.
        root: the project's folder, to which `spec.path` is relative.

    Returns:
        Of a forecast a row a time step, else a row a series, in the order of the files; columns as `columns_of` says.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column that the spec names is missing or of the wrong kind.
    """
    describe = _steps if spec.problem == "forecasting" else describe_part
    parts = [describe(spec, part, records) for part, records in read_parts(spec, root)]
    table = pd.concat(parts, ignore_index=True)
    if spec.problem == "forecasting":
        distances = table["time"].diff().dt.total_seconds()
        common = distances.mode()
        table["distance"] = distances
        table["steps"] = distances / (common.iloc[0] if len(common) and common.iloc[0] else 1.0)
        table["jump"] = table["label"].ffill().diff().where(table["label"].notna())
        table["gap"] = _gap_lengths(table["label"].isna())
        table["copies"] = table.groupby("time")["time"].transform("size")
    else:
        table = relate(table)
    columns = columns_of(spec)
    return table[list(columns)].astype(columns)


def _gap_lengths(missing: "pd.Series[bool]") -> "pd.Series[int]":
    """Of each missing value the length of its run, else 0.

    Examples:
        >>> _gap_lengths(pd.Series([False, True, True, False, True])).tolist()
        [0, 2, 2, 0, 1]
    """
    runs = (missing != missing.shift()).cumsum()
    return missing.groupby(runs).transform("sum").astype(int)


def _steps(spec: SeriesSpec, part: str, records: pa.Table) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": records.column("id").to_pylist(),
            "part": part,
            "label": np.asarray(records.column("label").to_numpy(zero_copy_only=False), dtype=np.float64),
            "time": records.column(spec.time).to_numpy().astype("datetime64[s]"),
        }
    )


def describe_part(spec: SeriesSpec, part: str, records: pa.Table) -> pd.DataFrame:
    """The same of some series, but for how they stand to others."""
    rows = [_describe(values) for values in records.column(spec.feature)]
    table = pd.DataFrame(
        rows, columns=["length", "missing", "infinite", "minimum", "maximum", "mean", "std", "constant", "hash"]
    )
    labels = records.column("label").to_pandas().astype(label_type(spec))
    return table.assign(id=records.column("id").to_pylist(), part=part, label=labels)


def _describe(values: pa.Scalar) -> tuple[object, ...]:
    """Length, missing share and statistics of one series; null where there is none."""
    if not values.is_valid:
        return (None,) * 9
    array: NDArray[np.float64] = np.array(values.as_py(), dtype=np.float64)
    known = array[~np.isnan(array)]
    missing = 1 - len(known) / len(array) if len(array) else None
    infinite = bool(np.isinf(known).any())
    if not len(known) or infinite:
        return len(array), missing, infinite, None, None, None, None, None, array.tobytes()
    low, high = float(known.min()), float(known.max())
    return len(array), missing, False, low, high, float(known.mean()), float(known.std()), low == high, array.tobytes()
