"""The expectation suite as data: made once from good data, committed, and from then on what new data has to meet.

Great Expectations itself is imported by `check` alone.
"""

import json
import math
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lightloop.config.schema import DataSpec
from lightloop.errors import UsageError
from lightloop.quality.metadata import COLUMNS

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


def suite_for(spec: DataSpec, metadata: pd.DataFrame) -> Suite:
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


def _records(spec: DataSpec, metadata: pd.DataFrame) -> list[Suite]:
    shares = metadata["class_share"].dropna()
    return [
        _expect(
            "table_columns_to_match_set",
            "Every expectation below stands on these columns.",
            column_set=list(COLUMNS),
            exact_match=True,
        ),
        *(
            _expect(
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
        _expect("column_values_to_not_be_null", "A record without an image teaches nothing.", column="bytes"),
        _expect("column_values_to_not_be_null", "A record without a label can't be learned from.", column="label"),
        _expect(
            "column_values_to_be_in_set",
            "A label outside the data set's classes is a typo or a new class.",
            column="label",
            value_set=list(spec.classes),
        ),
        _expect(
            "column_distinct_values_to_contain_set",
            "A class without records in a part can't be learned, or can't be measured.",
            column="stratum",
            value_set=[f"{part}/{label}" for part in spec.files for label in spec.classes],
        ),
        _expect(
            "column_values_to_be_between",
            "A class much rarer or more frequent than it was: check how the records were drawn.",
            severity="warning",
            column="class_share",
            min_value=_down(shares.min() / 2, 4),
            max_value=_up(min(1.0, shares.max() * 1.5), 4),
        ),
        _expect(
            "column_values_to_be_between",
            "Copies within a part count a record twice, and fall on both sides of the validation split.",
            column="copies",
            max_value=1,
        ),
        _expect(
            "column_values_to_be_in_set",
            "A test image that was trained on makes the test figures too good.",
            column="in_other_part",
            value_set=[False],
        ),
        _expect(
            "column_values_to_be_between",
            "The same pixels under two labels: one of the labels is wrong.",
            column="copy_labels",
            max_value=1,
        ),
    ]


def _images(metadata: pd.DataFrame) -> list[Suite]:
    brightness = metadata["mean"]
    return [
        _expect("column_values_to_be_in_set", "The file is damaged, or no image.", column="decodes", value_set=[True]),
        *(
            _expect(
                "column_values_to_be_between",
                "Another size is scaled to the network's, which changes what it sees.",
                column=side,
                min_value=int(metadata[side].min()),
                max_value=int(metadata[side].max()),
            )
            for side in ("width", "height")
        ),
        _expect(
            "column_values_to_be_in_set",
            "Another mode is converted to the network's channels, which changes what it sees.",
            column="mode",
            value_set=sorted(metadata["mode"].dropna().unique()),
        ),
        *(
            _expect(
                "column_values_to_be_between",
                f"Pixels with such a {word} were not seen before: blank, inverted or foreign images.",
                severity="warning",
                column=column,
                **_range(metadata[column]),
            )
            for column, word in (("mean", "mean"), ("std", "deviation"))
        ),
        _expect(
            "column_mean_to_be_between",
            "The whole set became brighter or darker: another source, scale or inversion.",
            severity="warning",
            column="mean",
            min_value=_down(max(0.0, brightness.mean() - brightness.std() / 2), 1),
            max_value=_up(min(255.0, brightness.mean() + brightness.std() / 2), 1),
        ),
    ]


def _expect(name: str, why: str, *, severity: Severity = "critical", **kwargs: Any) -> Suite:
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": severity, "notes": why}


def _range(values: "pd.Series[float]") -> dict[str, float]:
    low, high = float(values.min()), float(values.max())
    slack = SLACK * (high - low)
    return {"min_value": _down(max(0.0, low - slack), 1), "max_value": _up(min(255.0, high + slack), 1)}


def _down(value: float, digits: int) -> float:
    return math.floor(round(value * 10**digits, 6)) / 10**digits


def _up(value: float, digits: int) -> float:
    return math.ceil(round(value * 10**digits, 6)) / 10**digits
