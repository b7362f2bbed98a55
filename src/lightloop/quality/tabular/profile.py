"""What a table looks like, in numbers: for the report, and so that `dvc metrics diff` shows how data changed."""

from typing import Any

import pandas as pd

from lightloop.quality.tabular.metadata import AFTER, BEFORE

MOST_VALUES = 20


def profile_of(metadata: pd.DataFrame) -> dict[str, Any]:
    """Counts, duplicates, gaps and columns.

    Args:
        metadata: the table of `lightloop.quality.tabular.metadata.read_metadata`.

    Returns:
        By name:

        - `records`: number of records by part.
        - `classes`: by part, number of records by label, sorted by label; empty where numbers are predicted.
        - `target`: where numbers are predicted, their `min`, `max`, `mean` and `std`; else null.
        - `duplicates`: by part, how many records repeat the features of an earlier one; `across_parts`, how many have
          features that another part has too.
        - `missing`: by column, records without a value; `label` is one of them.
        - `columns`: by feature its `kind`; of a number `min`, `max`, `mean` and `std`; of a category the number of
          records by value (the 20 most frequent) as `values`, and how many values there are as `distinct`.

    The same table gives the same profile, byte for byte.
    """
    parts = metadata.groupby("part", sort=False)
    of_classes = not pd.api.types.is_numeric_dtype(metadata["label"])
    features = [name for name in metadata.columns if name not in {**BEFORE, **AFTER}]
    return {
        "records": {part: len(rows) for part, rows in parts},
        "classes": {part: _counts(rows["label"]) for part, rows in parts} if of_classes else {},
        "target": None if of_classes else _figures(metadata["label"]),
        "duplicates": {
            **{part: int(rows["hash"].duplicated().sum()) for part, rows in parts},
            "across_parts": int(metadata["in_other_part"].sum()),
        },
        "missing": {name: int(metadata[name].isna().sum()) for name in ["label", *features]},
        "columns": {name: _column(metadata[name]) for name in features},
    }


def _column(values: pd.Series) -> dict[str, Any]:
    if pd.api.types.is_numeric_dtype(values):
        return {"kind": "number", **_figures(values)}
    counts = _counts(values)
    frequent = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_VALUES]
    return {"kind": "category", "values": {value: counts[value] for value in frequent}, "distinct": len(counts)}


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}


def _figures(values: pd.Series) -> dict[str, float | None]:
    known = values.dropna()
    if known.empty:
        return dict.fromkeys(("min", "max", "mean", "std"))
    return {
        "min": float(known.min()),
        "max": float(known.max()),
        "mean": float(known.mean()),
        "std": float(known.std(ddof=0)),
    }
