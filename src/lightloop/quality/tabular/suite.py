"""The suite that a good table meets."""

from collections.abc import Iterator

import pandas as pd

from lightloop.config.tabular import TabularSpec
from lightloop.quality.suite import Severity, Suite, down, expect, up
from lightloop.quality.tabular.metadata import columns_of

SLACK = 0.1  # of the observed range, on each side
SPARE = 0.05  # share of the records that may lack a value beyond twice the share that did


def suite_for(spec: TabularSpec, metadata: pd.DataFrame) -> Suite:
    """A suite that good data of this kind meets: what the spec says, and what `metadata` shows, with slack.

    What would make training or its figures wrong is critical and stops the loop: labels, copies, a column that became
    empty. Values that were not seen before are warnings, since the model answers them. So are copies where there are
    some already: in a table of few columns different things may look the same.

    Args:
        spec: the data set; its classes and parts are the label set and the strata.
        metadata: the table of `read_metadata` for data that was looked at.

    Returns:
        Plain JSON in the form of Great Expectations. The same data gives the same suite.
    """
    features = [one for name in spec.features for one in _feature(name, metadata[name])]
    return {"name": spec.expectations, "expectations": [*_records(spec, metadata), *_labels(spec, metadata), *features]}


def _records(spec: TabularSpec, metadata: pd.DataFrame) -> Iterator[Suite]:
    yield expect(
        "table_columns_to_match_set",
        "Every expectation below stands on these columns.",
        column_set=columns_of(spec),
        exact_match=False,  # another feature is no fault
    )
    for part in spec.files:
        yield expect(
            "table_row_count_to_be_between",
            f"Less than half of the {part} records that there were: the file was cut.",
            min_value=int((metadata["part"] == part).sum()) // 2,
            row_condition={"type": "comparison", "column": {"name": "part"}, "operator": "==", "parameter": part},
        )
    severity: Severity = "warning" if (metadata["copies"] > 1).any() else "critical"
    yield expect(
        "column_values_to_be_between",
        "Copies count a record twice, and fall on both sides of a split.",
        severity=severity,
        column="copies",
        max_value=1,
    )
    yield expect(
        "column_values_to_be_in_set",
        "A test record that was trained on makes the test figures too good.",
        column="in_other_part",
        value_set=[False],
    )
    if spec.problem == "classification":
        yield expect(
            "column_values_to_be_between",
            "The same features under two labels: one of the labels is wrong, or a feature is missing.",
            severity=severity,
            column="copy_labels",
            max_value=1,
        )
    yield expect(
        "column_values_to_be_between",
        "A record with more gaps than any before: it was read wrongly, or cut.",
        severity="warning",
        column="missing_values",
        max_value=int(metadata["missing_values"].max()) + 1,
    )


def _labels(spec: TabularSpec, metadata: pd.DataFrame) -> Iterator[Suite]:
    yield expect("column_values_to_not_be_null", "A record without a label can't be learned from.", column="label")
    if spec.problem != "classification":
        yield expect(
            "column_values_to_be_between",
            "A target beyond all that were seen: check its unit.",
            severity="warning",
            column="label",
            **_range(metadata["label"]),
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


def _feature(name: str, values: pd.Series) -> Iterator[Suite]:
    yield expect(
        "column_values_to_not_be_null",
        "Many more gaps than there were: the column was lost, or is read wrongly.",
        column=name,
        mostly=down(max(0.0, 1 - 2 * float(values.isna().mean()) - SPARE), 2),
    )
    known = values.dropna()
    if not pd.api.types.is_numeric_dtype(values):
        yield expect(
            "column_values_to_be_in_set",
            "A category that was not seen before: the model takes it for unknown.",
            severity="warning",
            column=name,
            value_set=sorted(known.unique().tolist()),
        )
    elif len(known):
        yield expect(
            "column_values_to_be_between",
            "A number beyond all that were seen: check its unit.",
            severity="warning",
            column=name,
            **_range(known),
        )
        yield expect(
            "column_median_to_be_between",
            "The whole column moved: another source, unit or time.",
            severity="warning",
            column=name,
            **_middle(known),
        )


def _range(values: pd.Series) -> dict[str, float]:
    low, high = float(values.min()), float(values.max())
    slack = SLACK * (high - low)
    return {"min_value": down(low - slack, 2), "max_value": up(high + slack, 2)}


def _middle(values: pd.Series) -> dict[str, float]:
    """Half of the way from the median to each quartile, and a little where they are the same."""
    first, middle, third = (float(quantile) for quantile in values.quantile([0.25, 0.5, 0.75]))
    least = SLACK * max(abs(middle), float(values.std()) or 0.0)
    return {
        "min_value": down(middle - max((middle - first) / 2, least), 2),
        "max_value": up(middle + max((third - middle) / 2, least), 2),
    }
