"""The suite that good texts meet."""

import pandas as pd

from lightloop.config.text import TextSpec
from lightloop.quality.suite import Suite, down, expect, up
from lightloop.quality.text.metadata import COLUMNS


def suite_for(spec: TextSpec, metadata: pd.DataFrame) -> Suite:
    """A suite that good data of this kind meets: what the spec says, and what `metadata` shows, with slack.

    What would make training or its figures wrong is critical and stops the loop; what is only unusual is a warning.
    Overlap of parts, nulls and empty texts are never tolerated here, whatever `metadata` shows; copies within a part
    are, where the split keeps them together by groups. Who wants another rule edits the file (`mostly`, `severity`).

    Args:
        spec: the data set; its classes and parts are the label set and the strata.
        metadata: the table of `read_metadata` for data that was looked at.

    Returns:
        Plain JSON in the form of Great Expectations. The same data gives the same suite.
    """
    rules = [*_records(spec, metadata), *_copies(spec, metadata), *_texts(metadata)]
    return {"name": spec.expectations, "expectations": rules}


def _records(spec: TextSpec, metadata: pd.DataFrame) -> list[Suite]:
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
        expect("column_values_to_not_be_null", "A record without a text teaches nothing.", column="characters"),
        expect("column_values_to_not_be_null", "A record without a label can't be learned from.", column="label"),
        *(_classes(spec, metadata) if spec.problem == "classification" else []),
    ]


def _classes(spec: TextSpec, metadata: pd.DataFrame) -> list[Suite]:
    shares = metadata["class_share"].dropna()
    return [
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
            "The same text under two labels: one of the labels is wrong.",
            column="copy_labels",
            max_value=1,
        ),
    ]


def _copies(spec: TextSpec, metadata: pd.DataFrame) -> list[Suite]:
    apart = expect(
        "column_values_to_be_in_set",
        "A test text that was trained on makes the test figures too good.",
        column="in_other_part",
        value_set=[False],
    )
    if spec.split.policy != "group":
        return [
            apart,
            expect(
                "column_values_to_be_between",
                "Copies within a part count a record twice, and fall on both sides of the validation split: drop "
                "them, or give them one group and split by groups.",
                column="copies",
                max_value=1,
            ),
        ]
    single = (metadata["copies"].dropna() <= 1).mean()
    return [
        apart,
        expect(
            "column_values_to_be_between",
            "Copies in different groups fall on both sides of the split.",
            column="copy_groups",
            max_value=1,
        ),
        expect(
            "column_values_to_be_between",
            "More copies than there were: a record that was collected twice counts twice.",
            severity="warning",
            column="copies",
            max_value=1,
            mostly=down(max(0.0, single - 0.02), 2),
        ),
    ]


def _texts(metadata: pd.DataFrame) -> list[Suite]:
    characters, letters, replaced = (metadata[name].dropna() for name in ("characters", "letters", "replaced"))
    return [
        expect("column_values_to_be_in_set", "An empty text says nothing.", column="empty", value_set=[False]),
        expect(
            "column_values_to_be_between",
            "A text ten times as long as any before: a file, or several records run together.",
            severity="warning",
            column="characters",
            max_value=10 * int(characters.max()),
        ),
        expect(
            "column_median_to_be_between",
            "Texts became much longer or shorter: another source, or cut texts.",
            severity="warning",
            column="characters",
            min_value=int(characters.median() // 2),
            max_value=int(2 * characters.median()) + 1,
        ),
        expect(
            "column_mean_to_be_between",
            "The share of letters moved: another language, markup that was not taken out, or encoded files.",
            severity="warning",
            column="letters",
            min_value=down(max(0.0, letters.mean() - letters.std() / 2), 3),
            max_value=up(min(1.0, letters.mean() + letters.std() / 2), 3),
        ),
        expect(
            "column_values_to_be_between",
            "Characters that could not be decoded: the text was read in the wrong encoding.",
            severity="warning",
            column="replaced",
            max_value=0,
            mostly=down(max(0.0, (replaced <= 0).mean() - 0.02), 2),
        ),
        expect(
            "column_values_to_be_between",
            "Control characters stand in no text: binary content, or damage.",
            severity="warning",
            column="controls",
            max_value=0,
            mostly=down(max(0.0, (metadata["controls"].dropna() <= 0).mean() - 0.02), 2),
        ),
    ]
