"""The suite that a good table meets."""

from collections.abc import Iterator

import pandas as pd

from lightloop.config.tabular import TabularSpec
from lightloop.quality.suite import (
    SLACK,
    Severity,
    Suite,
    copy_rules,
    down,
    expect,
    extent,
    label_rules,
    table_rules,
    up,
)
from lightloop.quality.tabular.metadata import columns_of

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
    severity: Severity = "warning" if (metadata["copies"] > 1).any() else "critical"
    rules = [
        *table_rules(spec, metadata, columns_of(spec), exact=False),  # another feature is no fault
        *label_rules(spec, metadata),
        *copy_rules(spec, metadata, "record", alike=severity),
        _gaps(metadata),
        *(one for name in spec.features for one in _feature(name, metadata[name])),
    ]
    return {"name": spec.expectations, "expectations": rules}


def _gaps(metadata: pd.DataFrame) -> Suite:
    return expect(
        "column_values_to_be_between",
        "A record with more gaps than any before: it was read wrongly, or cut.",
        severity="warning",
        column="missing_values",
        max_value=int(metadata["missing_values"].max()) + 1,
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
            **extent(known),
        )
        yield expect(
            "column_median_to_be_between",
            "The whole column moved: another source, unit or time.",
            severity="warning",
            column=name,
            **_middle(known),
        )


def _middle(values: pd.Series) -> dict[str, float]:
    """Half of the way from the median to each quartile, and a little where they are the same."""
    first, middle, third = (float(quantile) for quantile in values.quantile([0.25, 0.5, 0.75]))
    least = SLACK * max(abs(middle), float(values.std()) or 0.0)
    return {
        "min_value": down(middle - max((middle - first) / 2, least), 2),
        "max_value": up(middle + max((third - middle) / 2, least), 2),
    }
