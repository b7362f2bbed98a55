"""The suite that good images meet."""

from collections.abc import Iterator

import pandas as pd

from lightloop.config.image import ImageSpec
from lightloop.quality.image.metadata import COLUMNS
from lightloop.quality.suite import Suite, copy_rules, down, expect, extent, label_rules, table_rules, up

LEVELS = 255


def suite_for(spec: ImageSpec, metadata: pd.DataFrame) -> Suite:
    """A suite that good data of this kind meets: what the spec says, and what `metadata` shows, with slack.

    What would make training or its figures wrong is critical and stops the loop; what is only unusual is a warning.
    Duplicates, overlap, nulls and images that do not decode are never tolerated here, whatever `metadata` shows: who
    wants to tolerate some edits the file (`mostly`, `severity`).

    Args:
        spec: the data set; its classes and parts are the label set and the strata.
        metadata: the table of `read_metadata` for data that was looked at.

    Returns:
        Plain JSON in the form of Great Expectations. The same data gives the same suite.
    """
    rules = [
        *table_rules(spec, metadata, list(COLUMNS)),
        *label_rules(spec, metadata),
        *copy_rules(spec, metadata, "image"),
        *_images(metadata),
    ]
    return {"name": spec.expectations, "expectations": rules}


def _images(metadata: pd.DataFrame) -> Iterator[Suite]:
    yield expect("column_values_to_not_be_null", "A record without an image teaches nothing.", column="bytes")
    yield expect("column_values_to_be_in_set", "The file is damaged, or no image.", column="decodes", value_set=[True])
    for side in ("width", "height"):
        yield expect(
            "column_values_to_be_between",
            "Another size is scaled to the network's, which changes what it sees.",
            column=side,
            min_value=int(metadata[side].min()),
            max_value=int(metadata[side].max()),
        )
    yield expect(
        "column_values_to_be_in_set",
        "Another mode is converted to the network's channels, which changes what it sees.",
        column="mode",
        value_set=sorted(metadata["mode"].dropna().unique()),
    )
    for column, word in (("mean", "mean"), ("std", "deviation")):
        seen = extent(metadata[column], digits=1)
        yield expect(
            "column_values_to_be_between",
            f"Pixels with such a {word} were not seen before: blank, inverted or foreign images.",
            severity="warning",
            column=column,
            min_value=max(0.0, seen["min_value"]),
            max_value=min(float(LEVELS), seen["max_value"]),
        )
    brightness = metadata["mean"]
    yield expect(
        "column_mean_to_be_between",
        "The whole set became brighter or darker: another source, scale or inversion.",
        severity="warning",
        column="mean",
        min_value=down(max(0.0, brightness.mean() - brightness.std() / 2), 1),
        max_value=up(min(float(LEVELS), brightness.mean() + brightness.std() / 2), 1),
    )
