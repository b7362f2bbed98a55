"""The suite that good images meet."""

import pandas as pd

from lightloop.config.image import ImageSpec
from lightloop.quality.image.metadata import COLUMNS
from lightloop.quality.suite import Suite, down, expect, up

SLACK = 0.1  # of the observed range, on each side


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
    return {"name": spec.expectations, "expectations": [*_records(spec, metadata), *_images(metadata)]}


def _records(spec: ImageSpec, metadata: pd.DataFrame) -> list[Suite]:
    shares = metadata["class_share"].dropna()
    return [
        expect(
            "table_columns_to_match_set",
            "Every expectation below stands on these columns.",
            column_set=list(COLUMNS),
            exact_match=True,
        ),
        *(
            expect(
                "table_row_count_to_be_between",
                f"Less than half of the {part} records that there were: the file was cut.",
                min_value=int(rows) // 2,
                row_condition={
                    "type": "comparison",
                    "column": {"name": "part"},
                    "operator": "==",
                    "parameter": part,
                },
            )
            for part in spec.files
            if (rows := (metadata["part"] == part).sum())
        ),
        expect("column_values_to_not_be_null", "A record without an image teaches nothing.", column="bytes"),
        expect("column_values_to_not_be_null", "A record without a label can't be learned from.", column="label"),
        expect(
            "column_values_to_be_in_set",
            "A label outside the data set's classes is a typo or a new class.",
            column="label",
            value_set=list(spec.classes),
        ),
        expect(
            "column_distinct_values_to_contain_set",
            "A class without records in a part can't be learned, or can't be measured.",
            column="stratum",
            value_set=[f"{part}/{label}" for part in spec.files for label in spec.classes],
        ),
        expect(
            "column_values_to_be_between",
            "A class much rarer or more frequent than it was: check how the records were drawn.",
            severity="warning",
            column="class_share",
            min_value=down(shares.min() / 2, 4),
            max_value=up(min(1.0, shares.max() * 1.5), 4),
        ),
        expect(
            "column_values_to_be_between",
            "Copies within a part count a record twice, and fall on both sides of the validation split.",
            column="copies",
            max_value=1,
        ),
        expect(
            "column_values_to_be_in_set",
            "A test image that was trained on makes the test figures too good.",
            column="in_other_part",
            value_set=[False],
        ),
        expect(
            "column_values_to_be_between",
            "The same pixels under two labels: one of the labels is wrong.",
            column="copy_labels",
            max_value=1,
        ),
    ]


def _images(metadata: pd.DataFrame) -> list[Suite]:
    brightness = metadata["mean"]
    return [
        expect("column_values_to_be_in_set", "The file is damaged, or no image.", column="decodes", value_set=[True]),
        *(
            expect(
                "column_values_to_be_between",
                "Another size is scaled to the network's, which changes what it sees.",
                column=side,
                min_value=int(metadata[side].min()),
                max_value=int(metadata[side].max()),
            )
            for side in ("width", "height")
        ),
        expect(
            "column_values_to_be_in_set",
            "Another mode is converted to the network's channels, which changes what it sees.",
            column="mode",
            value_set=sorted(metadata["mode"].dropna().unique()),
        ),
        *(
            expect(
                "column_values_to_be_between",
                f"Pixels with such a {word} were not seen before: blank, inverted or foreign images.",
                severity="warning",
                column=column,
                **_range(metadata[column]),
            )
            for column, word in (("mean", "mean"), ("std", "deviation"))
        ),
        expect(
            "column_mean_to_be_between",
            "The whole set became brighter or darker: another source, scale or inversion.",
            severity="warning",
            column="mean",
            min_value=down(max(0.0, brightness.mean() - brightness.std() / 2), 1),
            max_value=up(min(255.0, brightness.mean() + brightness.std() / 2), 1),
        ),
    ]


def _range(values: "pd.Series[float]") -> dict[str, float]:
    low, high = float(values.min()), float(values.max())
    slack = SLACK * (high - low)
    return {"min_value": down(max(0.0, low - slack), 1), "max_value": up(min(255.0, high + slack), 1)}
