"""What the data set looks like, in numbers: for the report, and so that `dvc metrics diff` shows how data changed."""

from typing import Any

import pandas as pd

PARTS_RANGE = ("width", "height", "bytes")


def profile_of(metadata: pd.DataFrame) -> dict[str, Any]:
    """Counts, pixel statistics, duplicates and sizes.

    Args:
        metadata: the table of `lightloop.quality.image.metadata.read_metadata`.

    Returns:
        By name:

        - `records`: number of records by part.
        - `classes`: by part, number of records by label, sorted by label.
        - `pixels`: `mean` and `std` of all pixels of the training part on the scale 0 to 255; null without any image.
        - `duplicates`: by part, how many records repeat the pixels of an earlier one; `across_parts`, how many records
          have pixels that another part has too.
        - `width`, `height` in pixels, `bytes` of the encoded image: `min` and `max`; null without any image.
        - `modes`: number of records by Pillow mode.
        - `missing`: records without `image`, without `label`, and images that do not decode (`undecodable`).

    The same table gives the same profile, byte for byte.
    """
    parts = metadata.groupby("part", sort=False)
    return {
        "records": {part: len(rows) for part, rows in parts},
        "classes": {part: _counts(rows["label"]) for part, rows in parts},
        "pixels": _pixels(metadata[metadata["part"] == "train"]),
        "duplicates": {
            **{part: int(rows["hash"].dropna().duplicated().sum()) for part, rows in parts},
            "across_parts": int(metadata["in_other_part"].sum()),
        },
        **{name: _extent(metadata[name]) for name in PARTS_RANGE},
        "modes": _counts(metadata["mode"]),
        "missing": {
            "image": int(metadata["bytes"].isna().sum()),
            "label": int(metadata["label"].isna().sum()),
            "undecodable": int((~metadata["decodes"].fillna(True)).sum()),
        },
    }


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}


def _extent(values: "pd.Series[int]") -> dict[str, int] | None:
    values = values.dropna()
    return None if values.empty else {"min": int(values.min()), "max": int(values.max())}


def _pixels(train: pd.DataFrame) -> dict[str, float] | None:
    """Mean and deviation over all pixels from those of each image, weighted by the images' sizes."""
    images = train[train["mean"].notna()]
    pixels = (images["width"] * images["height"]).to_numpy(float)
    if not pixels.sum():
        return None
    means, deviations = images["mean"].to_numpy(float), images["std"].to_numpy(float)
    mean = float(pixels @ means / pixels.sum())
    square = float(pixels @ (deviations**2 + means**2) / pixels.sum())
    return {"mean": mean, "std": max(square - mean**2, 0.0) ** 0.5}
