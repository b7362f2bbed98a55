"""Running a suite over the metadata table with Great Expectations: all violations in one pass.

Importing Great Expectations costs seconds, so nothing but the data check imports this module.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.row_conditions import deserialize_row_condition

from lightloop.errors import UsageError
from lightloop.quality.docs import render_docs, sets_apart
from lightloop.quality.suite import Suite

EXAMPLES = 5
DISTINCT = 20
Check = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a suite said about a table.

    Attributes:
        result: the content of `result.json`: `success` (no critical expectation failed), `suite`, `rows` by part, and
            `checks`, one for each expectation in the order of the suite: `name`, `column` (null for the whole table),
            `severity`, `success`, `expected`, `observed`, `unexpected` (records, null where records are not counted),
            `examples` (of `id`, `part`, `label`, `value`; at most 5), `why`.
        docs: the same as a Data Docs page, HTML.
    """

    result: dict[str, Any]
    docs: str = field(repr=False)

    @property
    def checks(self) -> list[Check]:
        checks: list[Check] = self.result["checks"]
        return checks

    @property
    def failed(self) -> list[Check]:
        """The expectations that were not met, warnings included."""
        return [check for check in self.checks if not check["success"]]

    @property
    def refusals(self) -> list[Check]:
        """The critical ones among them: they stop the loop."""
        return [check for check in self.failed if check["severity"] == "critical"]

    def with_checks(self, more: list[Check]) -> "Outcome":
        """The same with checks of ours behind those of the suite; the Data Docs page stays the suite's."""
        checks = [*self.checks, *more]
        success = all(check["success"] or check["severity"] != "critical" for check in checks)
        return Outcome({**self.result, "success": success, "checks": checks}, self.docs)


def run_suite(suite: Suite, metadata: pd.DataFrame) -> Outcome:
    """Check the whole table against every expectation of a suite.

    An expectation on a column that the table lacks has failed; nothing that the data holds raises.

    Args:
        suite: as `load_suite` reads it.
        metadata: the table of `read_metadata`, its rows numbered from 0.

    Raises:
        UsageError: the suite is none that Great Expectations understands.
    """
    report = _validate(suite, metadata)
    pairs = zip(suite["expectations"], report["results"], strict=True)
    checks = [_check(expectation, outcome, metadata) for expectation, outcome in pairs]
    success = all(check["success"] or check["severity"] != "critical" for check in checks)
    result = {
        "success": success,
        "suite": suite["name"],
        "rows": {str(part): int(rows) for part, rows in metadata["part"].value_counts(sort=False).items()},
        "checks": checks,
    }
    return Outcome(result, render_docs(report, suite, metadata["id"], success=success))


def failing_records(suite: Suite, metadata: pd.DataFrame) -> tuple[dict[int, list[str]], list[str]]:
    """Which records break critical expectations of a suite, and which of these are about no single record.

    Args:
        suite: as `load_suite` reads it.
        metadata: the table of `read_metadata`, its rows numbered from 0.

    Returns:
        By row number the reasons, and the reasons that are those of the whole table; a reason is such as "label: a
        label outside the data set's classes is a typo or a new class".

    Raises:
        UsageError: the suite is none that Great Expectations understands.
    """
    report = _validate(suite, metadata, complete=True)
    rows: dict[int, list[str]] = {}
    whole: list[str] = []
    for expectation, outcome in zip(suite["expectations"], report["results"], strict=True):
        if outcome["success"] or expectation.get("severity", "critical") != "critical":
            continue
        about = expectation["kwargs"].get("column", "the table")
        reason = f"{about}: {expectation.get('notes') or expectation['type']}"
        found = outcome["result"].get("unexpected_index_list")
        if not found:
            whole.append(reason)
        for row in found or ():
            rows.setdefault(int(row), []).append(reason)
    return rows, whole


def _validate(suite: Suite, metadata: pd.DataFrame, *, complete: bool = False) -> dict[str, Any]:
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("metadata").add_dataframe_asset("records")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": metadata})
    found = batch.validate(
        gx.ExpectationSuite(name=suite["name"], expectations=_understood(suite)),
        result_format={
            "result_format": "COMPLETE" if complete else "SUMMARY",
            "partial_unexpected_count": EXAMPLES,
        },
    )
    return _in_order(found, suite)


def _understood(suite: Suite) -> list[Suite]:
    """The suite's expectations, each with its place as its id: Great Expectations answers in an order of its own.

    Each is tried first, since Great Expectations leaves out of a suite what it can't read, and goes on.
    """
    numbered: list[Suite] = []
    for place, expectation in enumerate(suite["expectations"]):
        try:
            ExpectationConfiguration(**expectation).to_domain_obj()
        except Exception as error:  # noqa: BLE001 - it has no common error for what it can't read
            reason = " ".join(str(error).split())
            raise UsageError(
                f"expectation {place + 1} of the suite {suite['name']!r} can't be read ({reason}): "
                f"mend configs/expectations/{suite['name']}.json"
            ) from None
        numbered.append({**expectation, "id": str(place)})
    return numbered


def _in_order(found: ExpectationSuiteValidationResult, suite: Suite) -> dict[str, Any]:
    """The results as plain values, in the order of the suite, without what differs from run to run."""
    by_place = {int(one.expectation_config.id): one for one in found.results}
    results = []
    for place in range(len(suite["expectations"])):
        one = by_place[place]
        errors = sorted(set(_errors(one.exception_info)))
        results.append({"success": bool(one.success), "result": plain(dict(one.result)), "errors": errors})
    return {"version": gx.__version__, "results": results}


def _errors(info: Any) -> Iterator[str]:
    """Great Expectations nests what went wrong by metric; some of it is not nested."""
    if not isinstance(info, dict):
        return
    if info.get("raised_exception"):
        yield str(info["exception_message"])
    for inner in info.values():
        yield from _errors(inner)


def _check(expectation: Suite, outcome: dict[str, Any], metadata: pd.DataFrame) -> Check:
    column = expectation["kwargs"].get("column")
    result = outcome["result"]
    return {
        "name": expectation["type"],
        "column": column,
        "severity": expectation.get("severity", "critical"),
        "success": outcome["success"],
        "expected": _expected(expectation["kwargs"]),
        "observed": {"error": outcome["errors"]} if outcome["errors"] else _observed(result, column, metadata),
        # Where there is no percentage, values are counted, not records.
        "unexpected": result.get("unexpected_count") if "unexpected_percent" in result else None,
        "examples": _examples(result, metadata),
        "why": expectation.get("notes") or "",
    }


def _expected(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The expectation's own words, with a condition on the rows in short, such as `part == train`."""
    expected = {key: value for key, value in kwargs.items() if key not in ("column", "row_condition")}
    if "row_condition" in kwargs:
        expected["rows"] = repr(deserialize_row_condition(kwargs["row_condition"]))
    return expected


def _examples(result: dict[str, Any], metadata: pd.DataFrame) -> list[dict[str, Any]]:
    rows = result.get("partial_unexpected_index_list") or []
    records: list[dict[str, Any]] = plain(metadata.loc[rows, ["id", "part", "label"]].to_dict("records"))
    # The value is of several columns where the expectation is about several.
    values = result["partial_unexpected_list"] if rows else []
    return [{**record, "value": value} for record, value in zip(records, values, strict=True)]


def _observed(result: dict[str, Any], column: str | None, metadata: pd.DataFrame) -> Any:
    """What was seen, for people: Great Expectations' own figure, or the extent of the column."""
    distinct_values = sets_apart(result)
    if distinct_values is not None:
        return distinct_values
    if result.get("observed_value") is not None or column is None:
        return result.get("observed_value")
    values = metadata[column].dropna()
    if values.empty:
        return None
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return plain({"min": values.min(), "max": values.max()})
    distinct = sorted(values.unique())
    return plain({"values": distinct}) if len(distinct) <= DISTINCT else {"distinct": len(distinct)}


def plain(value: Any) -> Any:
    """The same as JSON knows it: no NumPy values, None for every kind of null, words for what JSON has no form for.

    Examples:
        >>> plain({"a": [pd.NA, float("nan")], "b": pd.Series([1]).max()})
        {'a': [None, None], 'b': 1}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)
