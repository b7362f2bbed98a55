"""The suite that good series meet."""

import pandas as pd

from lightloop.config.series import SeriesSpec
from lightloop.quality.series.metadata import columns_of
from lightloop.quality.suite import SLACK, Suite, copy_rules, down, expect, extent, label_rules, table_rules, up

# Gaps may be this many times as frequent, and as long, as they were.
MORE_GAPS = 2


def suite_for(spec: SeriesSpec, metadata: pd.DataFrame) -> Suite:
    """A suite that good data of this kind meets: what the spec says, and what `metadata` shows, with slack.

    What would make training or its figures wrong is critical and stops the loop; what is only unusual is a warning.
    Time stamps that repeat or go back are never tolerated, whatever `metadata` shows.

    Args:
        spec: the data set.
        metadata: the table of `read_metadata` for data that was looked at.

    Returns:
        Plain JSON in the form of Great Expectations. The same data gives the same suite.
    """
    if spec.problem == "forecasting":
        rules = [*table_rules(spec, metadata, list(columns_of(spec)), unit="steps"), *_steps(spec, metadata)]
    else:
        rules = [
            *table_rules(spec, metadata, list(columns_of(spec)), unit="series"),
            *label_rules(spec, metadata),
            *copy_rules(spec, metadata, "series"),
            *_series(spec, metadata),
        ]
    return {"name": spec.expectations, "expectations": rules}


def _steps(_: SeriesSpec, metadata: pd.DataFrame) -> list[Suite]:
    missing = float(metadata["label"].isna().mean())
    steps = metadata["steps"].dropna()
    regular = bool((steps % 1 == 0).all())
    return [
        expect("column_values_to_not_be_null", "A step without a time stamp has no place.", column="time"),
        expect(
            "column_values_to_be_increasing",
            "Time stamps that repeat or go back: rows were joined twice, or are not sorted.",
            column="time",
            strictly=True,
        ),
        expect("column_values_to_be_between", "Two values for one time stamp.", column="copies", max_value=1),
        *(
            [
                expect(
                    "column_values_to_be_in_set",
                    "A time stamp between the regular steps.",
                    column="steps",
                    value_set=sorted(
                        {float(value) for value in range(1, max(2, 2 * int(steps.max() if len(steps) else 1) + 1))}
                    ),
                )
            ]
            if regular
            else []
        ),
        expect(
            "column_values_to_not_be_null",
            "More of the values are missing than there were: a failing instrument or a broken join.",
            column="label",
            mostly=max(0.0, down(1 - MORE_GAPS * missing - 0.01, 3)),
        ),
        expect(
            "column_values_to_be_between",
            "So many values in a row were never missing: what is filled in there is a guess.",
            severity="warning",
            column="gap",
            max_value=max(1, MORE_GAPS * int(metadata["gap"].max())),
        ),
        expect(
            "column_values_to_be_between",
            "Outside what was ever seen, with slack: another unit, a fill value such as -999, or a real change.",
            column="label",
            **extent(metadata["label"], 5 * SLACK, 3),
        ),
        expect(
            "column_values_to_be_between",
            "A larger jump from one value to the next than any before: an outlier or a new instrument.",
            severity="warning",
            column="jump",
            **extent(metadata["jump"], 5 * SLACK, 3),
        ),
    ]


def _series(spec: SeriesSpec, metadata: pd.DataFrame) -> list[Suite]:
    lengths, missing = metadata["length"].dropna(), metadata["missing"].dropna()
    return [
        expect("column_values_to_not_be_null", "A record without a series teaches nothing.", column="length"),
        expect("column_values_to_be_in_set", "Infinities are no values.", column="infinite", value_set=[False]),
        expect(
            "column_values_to_be_between",
            f"Of longer series the last {spec.window} steps are seen, and what shorter ones lack counts as missing.",
            severity="warning",
            column="length",
            min_value=int(lengths.min()),
            max_value=int(lengths.max()),
        ),
        expect(
            "column_values_to_be_between",
            "More gaps than there were in any series.",
            severity="warning",
            column="missing",
            max_value=min(0.99, up(MORE_GAPS * float(missing.max()) + 0.01, 3)),
        ),
        *(
            expect(
                "column_values_to_be_between",
                "Values like these were not seen before: another unit or instrument.",
                severity="warning",
                column=column,
                **extent(metadata[column], digits=3),
            )
            for column in ("minimum", "maximum")
        ),
        expect(
            "column_values_to_be_in_set",
            "A series that does not move: a dead instrument.",
            severity="warning",
            column="constant",
            value_set=[False],
        ),
    ]
