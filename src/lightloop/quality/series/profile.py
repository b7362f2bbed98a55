"""What the series look like, in numbers: for the report, and so that `dvc metrics diff` shows how data changed."""

from typing import Any

import pandas as pd


def profile_of(metadata: pd.DataFrame) -> dict[str, Any]:
    """Counts, gaps and statistics of values.

    Args:
        metadata: the table of `lightloop.quality.series.metadata.read_metadata`.

    Returns:
        By name:

        - `records`: time steps, or series, by part.
        - of a forecast: `time` (`first`, `last`, most common `step` in seconds), `gaps` (`missing` values, `runs` of
          them, `longest` run, `holes` between rows), `values` and `jumps` (`min`, `mean`, `max`, `std`; null without
          any).
        - of whole series: `classes` by part, `length` (`min`, `max`), `missing` (mean share), `constant` and `copies`
          (records).

    The same table gives the same profile, byte for byte.
    """
    records = {part: len(rows) for part, rows in metadata.groupby("part", sort=False)}
    about = _steps(metadata) if "time" in metadata else _series(metadata)
    return {"records": records, **about}


def _steps(metadata: pd.DataFrame) -> dict[str, Any]:
    missing = metadata["label"].isna()
    distances = metadata["distance"].dropna()
    return {
        "time": {
            "first": None if metadata.empty else metadata["id"].iloc[0],
            "last": None if metadata.empty else metadata["id"].iloc[-1],
            "step": None if distances.empty else float(distances.mode().iloc[0]),
        },
        "gaps": {
            "missing": int(missing.sum()),
            "runs": int((missing & ~missing.shift(fill_value=False)).sum()),
            "longest": 0 if metadata.empty else int(metadata["gap"].max()),
            "holes": int((metadata["steps"].dropna() > 1).sum()),
        },
        "values": _moments(metadata["label"]),
        "jumps": _moments(metadata["jump"]),
    }


def _series(metadata: pd.DataFrame) -> dict[str, Any]:
    parts = metadata.groupby("part", sort=False)
    lengths = metadata["length"].dropna()
    numbers = pd.api.types.is_float_dtype(metadata["label"])
    return {
        **(
            {"values": _moments(metadata["label"])}
            if numbers
            else {"classes": {part: _counts(rows["label"]) for part, rows in parts}}
        ),
        "length": None if lengths.empty else {"min": int(lengths.min()), "max": int(lengths.max())},
        "missing": None if lengths.empty else float(metadata["missing"].mean()),
        "constant": int(metadata["constant"].sum()),
        "copies": int((metadata["copies"] > 1).sum()),
    }


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}


def _moments(values: "pd.Series[float]") -> dict[str, float] | None:
    known = values.dropna()
    if known.empty:
        return None
    low, high = float(known.min()), float(known.max())
    return {"min": low, "mean": float(known.mean()), "max": high, "std": float(known.std(ddof=0))}
