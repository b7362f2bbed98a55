"""The Great Expectations suite of the training data, run over what the service was asked.

Expectations on files, labels that are not known and copies mean nothing here and are left out. A suite was made from
data with slack, so that a few records of good new data may miss it: who is held against it is the share of records that
the suite tolerates, by a test.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from lightloop.config.monitoring import MonitorConfig
from lightloop.config.schema import AnySpec
from lightloop.monitoring.comparing import share_differs
from lightloop.monitoring.findings import Finding
from lightloop.quality.modality import describe_part
from lightloop.quality.suite import Suite

Check = dict[str, Any]
PART = "production"
# What a record can't be told by itself, or nobody knows of it.
LEFT_OUT = ("id", "part", "hash", "group", "label")


@dataclass(frozen=True)
class Expected:
    """What the bundle's data had to be like.

    Attributes:
        spec: of the data that it was trained on.
        suite: that they met.
        n: records that the suite was made from, about.
    """

    spec: AnySpec
    suite: Suite
    n: int


def look(expected: Expected, records: pa.Table, config: MonitorConfig) -> list[Finding]:
    """A finding for each expectation that means something of single records. Candidates: `p_value` is raw, and null
    where an expectation is of a kind that has no test, which then has the last word.

    Args:
        expected: what they have to be like.
        records: of the window, as they were asked; of tables with numbers as float64 and categories as text.
        config: read is `unseen`, the least share of records that a warning has to miss.
    """
    spec, suite = expected.spec, expected.suite
    if spec.modality == "series" and spec.problem == "forecasting":
        return []  # its suite is of the one long series, not of windows
    metadata = _metadata(spec, records)
    absent = [name for name in spec.features if name not in records.column_names]
    asked = [one for one in suite["expectations"] if _means_something(one, metadata, absent)]
    if not asked:
        return []
    from lightloop.quality.check import run_suite  # Great Expectations takes seconds to import

    outcome = run_suite({"name": suite["name"], "expectations": asked}, metadata)
    return [_finding(*pair, metadata, expected.n, config=config) for pair in zip(outcome.checks, asked, strict=True)]


def _metadata(spec: AnySpec, records: pa.Table) -> pd.DataFrame:
    table = records.append_column("id", pa.array([str(row) for row in range(len(records))]))
    for name in spec.features:
        if name not in table.column_names and spec.modality == "tabular":
            table = table.append_column(name, pa.nulls(len(table), pa.float64()))
    return describe_part(spec, PART, table.append_column("label", pa.nulls(len(table), pa.string())))


def _means_something(expectation: Suite, metadata: pd.DataFrame, absent: list[str]) -> bool:
    kwargs = expectation["kwargs"]
    column = kwargs.get("column")
    known = column in metadata.columns and column not in LEFT_OUT and column not in absent
    if absent and column == "missing_values":
        return False
    return bool(known and "row_condition" not in kwargs)


def _finding(check: Check, asked: Suite, metadata: pd.DataFrame, n: int, *, config: MonitorConfig) -> Finding:
    column, critical = str(check["column"]), check["severity"] == "critical"
    words = " ".join(check["name"].removeprefix("expect_").split("_"))
    values = metadata[column]
    count = len(values) if "not_be_null" in check["name"] else int(values.notna().sum())
    if check["unexpected"] is not None:
        allowed = 1.0 - float(asked["kwargs"].get("mostly", 1.0))
        share = check["unexpected"] / max(count, 1)
        test = share_differs(check["unexpected"], count, math.ceil(allowed * n), n, "greater")
        least = 0.0 if critical else config.unseen
        return Finding(
            kind="suite",
            name=column,
            alarm=not check["success"] and share - allowed >= least,
            sentence=f'{column}: {share:.1%} of {count} records miss "{words}" (at most {allowed:.1%}).',
            value=share,
            limit=allowed,
            p_value=test.p,
        )
    observed = check["observed"]
    return Finding(
        kind="suite",
        name=column,
        alarm=not check["success"],
        sentence=f'{column}: "{words}" {"holds" if check["success"] else "does not hold"} ({_plain(observed)}).',
        p_value=_middle_p(check["name"], values, asked["kwargs"]) if not check["success"] else 1.0,
    )


def _middle_p(name: str, values: "pd.Series[Any]", kwargs: Mapping[str, Any]) -> float | None:
    """Of a median or mean beyond its bounds: how likely that is where the true one lies within them."""
    known = values.dropna().to_numpy(dtype=np.float64)
    if len(known) < 2:
        return 1.0
    ps: list[float] = []
    for bound, above in ((kwargs.get("max_value"), "greater"), (kwargs.get("min_value"), "less")):
        if bound is None:
            continue
        if "median" in name:
            ps.append(float(stats.quantile_test(known, q=bound, p=0.5, alternative=above).pvalue))
        elif "mean" in name:
            ps.append(float(stats.ttest_1samp(known, bound, alternative=above).pvalue))
    return min(1.0, len(ps) * min(ps)) if ps else None


def _plain(observed: Any) -> str:
    pairs: Iterator[tuple[str, Any]] = iter(
        observed.items() if isinstance(observed, dict) else [("observed", observed)]
    )
    return ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in pairs)
