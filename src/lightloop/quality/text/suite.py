"""The suite that good texts meet."""

from collections.abc import Iterator

import pandas as pd

from lightloop.config.text import TextSpec
from lightloop.quality.suite import Suite, copy_rules, down, expect, label_rules, table_rules, up
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
    rules = [
        *table_rules(spec, metadata, list(COLUMNS)),
        *label_rules(spec, metadata),
        *copy_rules(spec, metadata, "text", grouped=spec.split.policy == "group"),
        *_texts(metadata),
    ]
    return {"name": spec.expectations, "expectations": rules}


def _texts(metadata: pd.DataFrame) -> Iterator[Suite]:
    characters, letters, replaced = (metadata[name].dropna() for name in ("characters", "letters", "replaced"))
    yield expect("column_values_to_not_be_null", "A record without a text teaches nothing.", column="characters")
    yield expect("column_values_to_be_in_set", "An empty text says nothing.", column="empty", value_set=[False])
    yield expect(
        "column_values_to_be_between",
        "A text ten times as long as any before: a file, or several records run together.",
        severity="warning",
        column="characters",
        max_value=10 * int(characters.max()),
    )
    yield expect(
        "column_median_to_be_between",
        "Texts became much longer or shorter: another source, or cut texts.",
        severity="warning",
        column="characters",
        min_value=int(characters.median() // 2),
        max_value=int(2 * characters.median()) + 1,
    )
    yield expect(
        "column_mean_to_be_between",
        "The share of letters moved: another language, markup that was not taken out, or encoded files.",
        severity="warning",
        column="letters",
        min_value=down(max(0.0, letters.mean() - letters.std() / 2), 3),
        max_value=up(min(1.0, letters.mean() + letters.std() / 2), 3),
    )
    for column, values, why in (
        ("replaced", replaced, "Characters that could not be decoded: the text was read in the wrong encoding."),
        ("controls", metadata["controls"].dropna(), "Control characters stand in no text: binary content, or damage."),
    ):
        yield expect(
            "column_values_to_be_between",
            why,
            severity="warning",
            column=column,
            max_value=0,
            mostly=down(max(0.0, (values <= 0).mean() - 0.02), 2),
        )
