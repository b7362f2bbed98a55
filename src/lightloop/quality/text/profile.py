"""What the data set looks like, in numbers: for the report, and so that `dvc metrics diff` shows how data changed."""

from typing import Any

import pandas as pd

EXTENTS = ("characters", "words", "longest")


def profile_of(metadata: pd.DataFrame) -> dict[str, Any]:
    """Counts, lengths, duplicates, and what is missing.

    Args:
        metadata: the table of `lightloop.quality.text.metadata.read_metadata`.

    Returns:
        By name:

        - `records`: number of records by part.
        - `classes`: by part, number of records by label, sorted by label.
        - `duplicates`: by part, how many records repeat the text of an earlier one; `across_parts`, how many records
          have a text that another part has too.
        - `characters`, `words`, `longest` (characters of the longest run without a blank): `min`, `median`, `p95` (95 %
          of the texts have no more) and `max`; null without any text.
        - `letters`: mean share of the characters that are letters; null without any text.
        - `replaced`: texts with a character that could not be decoded (U+FFFD).
        - `missing`: records without `text`, without `label`, and texts that are `empty` or blank.

    The same table gives the same profile, byte for byte.
    """
    parts = metadata.groupby("part", sort=False)
    letters = metadata["letters"].dropna()
    return {
        "records": {part: len(rows) for part, rows in parts},
        "classes": {part: _counts(rows["label"]) for part, rows in parts},
        "duplicates": {
            **{part: int(rows["hash"].dropna().duplicated().sum()) for part, rows in parts},
            "across_parts": int(metadata["in_other_part"].sum()),
        },
        **{name: _extent(metadata[name]) for name in EXTENTS},
        "letters": None if letters.empty else round(float(letters.mean()), 6),
        "replaced": int((metadata["replaced"] > 0).sum()),
        "missing": {
            "text": int(metadata["characters"].isna().sum()),
            "label": int(metadata["label"].isna().sum()),
            "empty": int(metadata["empty"].fillna(False).sum()),
        },
    }


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}


def _extent(values: "pd.Series[int]") -> dict[str, int] | None:
    present = values.dropna().astype(int).sort_values().to_numpy()
    if not len(present):
        return None
    last = len(present) - 1
    return {
        "min": int(present[0]),
        "median": int(present[last // 2]),
        "p95": int(present[int(0.95 * last)]),
        "max": int(present[last]),
    }
