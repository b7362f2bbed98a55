"""The expectation suite as data: made once from good data, committed, and from then on what new data has to meet.

What every modality expects of its records stands here; what is special to one, in `quality/<modality>/suite.py`.
Great Expectations itself is imported by `check` alone.
"""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lightloop.config.schema import AnySpec
from lightloop.errors import UsageError

Suite = dict[str, Any]
Severity = Literal["critical", "warning", "info"]
SLACK = 0.1  # of the observed range, on each side


def load_suite(path: Path) -> Suite:
    """Read a committed suite.

    Raises:
        UsageError: the file is missing, or holds no suite.
    """
    name = f"configs/expectations/{path.name}"
    try:
        suite = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{name} is missing: data.expectations must name a file of that folder") from None
    except ValueError as error:
        raise UsageError(f"{name} is not valid JSON ({error}): restore it from git") from None
    if not isinstance(suite, dict) or not isinstance(suite.get("name"), str) or not suite.get("expectations"):
        raise UsageError(f"{name} holds no suite: expected an object with a name and a list of expectations")
    return suite


def expect(name: str, why: str, *, severity: Severity = "critical", **kwargs: Any) -> Suite:
    """One expectation: `name` without the leading "expect_", why it is there, and its arguments."""
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": severity, "notes": why}


def down(value: float, digits: int) -> float:
    """Rounded down, so that the value itself is not below it."""
    return math.floor(round(value * 10**digits, 6)) / 10**digits


def up(value: float, digits: int) -> float:
    """Rounded up."""
    return math.ceil(round(value * 10**digits, 6)) / 10**digits


def extent(values: "pd.Series[float]", slack: float = SLACK, digits: int = 2) -> dict[str, Any]:
    """`min_value` and `max_value` of what was seen, with slack; 0 and 0 where nothing was.

    Examples:
        >>> extent(pd.Series([0.0, 10.0, None]))
        {'min_value': -1.0, 'max_value': 11.0}
    """
    known = values.dropna()
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    room = slack * (high - low)
    return {"min_value": down(low - room, digits), "max_value": up(high + room, digits)}


def only(part: str) -> Suite:
    """The condition on rows that leaves the records of one part."""
    return {"type": "comparison", "column": {"name": "part"}, "operator": "==", "parameter": part}


def table_rules(
    spec: AnySpec, metadata: pd.DataFrame, columns: Sequence[str], *, exact: bool = True, unit: str = "records"
) -> Iterator[Suite]:
    """The table's columns, and that no file was cut.

    Args:
        spec: the data set.
        metadata: the table.
        columns: that it has to have.
        exact: whether others are a fault.
        unit: what a row is, in the plural.
    """
    yield expect(
        "table_columns_to_match_set",
        "Every expectation below stands on these columns.",
        column_set=list(columns),
        exact_match=exact,
    )
    for part in spec.files:
        if rows := int((metadata["part"] == part).sum()):
            yield expect(
                "table_row_count_to_be_between",
                f"Less than half of the {part} {unit} that there were: the file was cut.",
                min_value=rows // 2,
                row_condition=only(part),
            )


def label_rules(spec: AnySpec, metadata: pd.DataFrame) -> Iterator[Suite]:
    """What labels have to be: there, known, of every class, in about the same shares; or numbers as they were.

    A training record of a classification may lack its label: it is set aside, and counted by a warning.
    """
    yield from _labels_there(spec)
    if not spec.classes:
        yield expect(
            "column_values_to_be_between",
            "A target beyond all that were seen: check its unit.",
            severity="warning",
            column="label",
            **extent(metadata["label"]),
        )
        return
    shares = metadata["class_share"].dropna()
    yield expect(
        "column_values_to_be_in_set",
        "A label outside the data set's classes is a typo or a new class.",
        column="label",
        value_set=list(spec.classes),
    )
    yield expect(
        "column_distinct_values_to_contain_set",
        "A class without records in a part can't be learned, or can't be measured.",
        column="stratum",
        value_set=[f"{part}/{label}" for part in spec.files for label in spec.classes],
    )
    yield expect(
        "column_values_to_be_between",
        "A class much rarer or more frequent than it was: check how the records were drawn.",
        severity="warning",
        column="class_share",
        min_value=down(shares.min() / 2, 4),
        max_value=up(min(1.0, shares.max() * 1.5), 4),
    )


def _labels_there(spec: AnySpec) -> Iterator[Suite]:
    if not spec.classes:
        yield expect("column_values_to_not_be_null", "A record without a label can't be learned from.", column="label")
        return
    for part in spec.files:
        if part == "train":
            yield expect(
                "column_values_to_not_be_null",
                "Without a label a record is set aside: only semi=pseudo_labels and label-next look at it.",
                severity="warning",
                column="label",
                row_condition=only(part),
            )
        else:
            yield expect(
                "column_values_to_not_be_null",
                f"A {part} record without a label can't be judged by.",
                column="label",
                row_condition=only(part),
            )


def copy_rules(
    spec: AnySpec, metadata: pd.DataFrame, what: str, *, alike: Severity = "critical", grouped: bool = False
) -> Iterator[Suite]:
    """That nothing stands in two parts, no record twice, and no content under two labels.

    Args:
        spec: the data set.
        metadata: the table.
        what: a record is, such as "image".
        alike: how severe it is when records of a part, or of two labels, have the same content.
        grouped: whether copies within a part are kept together by groups (`copy_groups`), and so are tolerated.
    """
    yield expect(
        "column_values_to_be_in_set",
        f"A test {what} that was trained on makes the test figures too good.",
        column="in_other_part",
        value_set=[False],
    )
    if grouped:
        yield expect(
            "column_values_to_be_between",
            "Copies in different groups fall on both sides of the split.",
            column="copy_groups",
            max_value=1,
        )
        single = (metadata["copies"].dropna() <= 1).mean()
        yield expect(
            "column_values_to_be_between",
            f"More copies than there were: a {what} that was collected twice counts twice.",
            severity="warning",
            column="copies",
            max_value=1,
            mostly=down(max(0.0, single - 0.02), 2),
        )
    else:
        yield expect(
            "column_values_to_be_between",
            f"Copies within a part count the {what} twice, and fall on both sides of a split: leave them out, or give "
            "them one group and split by groups.",
            severity=alike,
            column="copies",
            max_value=1,
        )
    if spec.classes:
        yield expect(
            "column_values_to_be_between",
            f"The same {what} under two labels: one of the labels is wrong, or what tells them apart is lost.",
            severity=alike,
            column="copy_labels",
            max_value=1,
        )
