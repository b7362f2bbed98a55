"""The Data Docs page of Great Expectations, made so that it opens without network and is the same each time.

Great Expectations' own page loads styles and scripts from the web and holds times and random ids. Its renderer is kept;
around it stands a page template of ours.
"""

import html
import re
from pathlib import Path
from typing import Any

import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.row_conditions import deserialize_row_condition
from great_expectations.render import RenderedDocumentContent, RenderedTableContent
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

TEMPLATE = "data_docs.j2"
TABLE_LEVEL = "Table-Level Expectations"  # Great Expectations' section for what is about no single column


def render_docs(report: dict[str, Any], suite: dict[str, Any], ids: "pd.Series[str]", *, success: bool) -> str:
    """Render what a suite found as one HTML page: no script, nothing loaded, no time, no random id.

    Args:
        report: `version` of Great Expectations and, for each expectation of the suite, `success`, `result` (in Great
            Expectations' form, plain values) and `errors`.
        suite: the suite that was run.
        ids: of the records, by the row numbers that stand in the results.
        success: whether every critical expectation was met.
    """
    results = [_result(*pair, ids) for pair in zip(suite["expectations"], report["results"], strict=True)]
    met = sum(bool(one.success) for one in results)
    found = ExpectationSuiteValidationResult(
        success=success,
        results=results,
        suite_name=html.escape(suite["name"]),
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": met,
            "unsuccessful_expectations": len(results) - met,
            "success_percent": 100 * met / len(results),
        },
        meta={"great_expectations_version": report["version"], "batch_spec": {"data_asset_name": "records"}},
    )
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(found)
    document.sections.pop()  # the run's name and time
    _add_reasons(document, suite["expectations"])
    view = DefaultJinjaPageView(custom_views_directory=str(Path(__file__).parent))
    page = view.render(document, template=TEMPLATE, suite_name=html.escape(suite["name"]), version=report["version"])
    return _tidy(str(page))


def _result(expectation: dict[str, Any], outcome: dict[str, Any], ids: "pd.Series[str]") -> ExpectationValidationResult:
    kwargs = dict(expectation["kwargs"])
    if "row_condition" in kwargs:
        kwargs["row_condition"] = deserialize_row_condition(kwargs["row_condition"])
    return ExpectationValidationResult(
        success=outcome["success"],
        expectation_config=ExpectationConfiguration(type=expectation["type"], kwargs=kwargs),
        result=_shown(outcome, kwargs.get("column"), ids),
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )


def _add_reasons(document: RenderedDocumentContent, expectations: list[dict[str, Any]]) -> None:
    """Two columns more: how severe a failure is, and why the expectation stands in the suite."""
    for section in document.sections[1:]:
        about = [one for one in expectations if one["kwargs"].get("column", TABLE_LEVEL) == section.section_name]
        table = next(block for block in section.content_blocks if isinstance(block, RenderedTableContent))
        table.header_row = [*(table.header_row or []), "Severity", "Why"]
        for row, expectation in zip(table.table, about, strict=True):
            row += [expectation.get("severity", "critical"), html.escape(expectation.get("notes") or "")]


def _shown(outcome: dict[str, Any], column: str | None, ids: "pd.Series[str]") -> dict[str, Any]:
    """The result as the renderer wants it; its table cells are put into the page as they are, so escape them here."""
    result: dict[str, Any] = _escaped(outcome["result"])
    if outcome["errors"]:
        result["observed_value"] = html.escape("could not be checked: " + "; ".join(outcome["errors"]))
    apart = sets_apart(result)
    if apart is not None:
        said = [f"{name}: {', '.join(map(str, values))}" for name, values in apart.items() if values]
        # Without its counts, since the renderer takes them for records.
        return {"observed_value": "; ".join(said) or "as expected"}
    rows = result.get("partial_unexpected_index_list")
    if rows and column:
        # The renderer shows ids beside values when it has them all; these are those of the examples.
        values = result["partial_unexpected_list"]
        pairs = zip(values, ids.loc[rows], strict=True)
        result["unexpected_index_list"] = [{column: value, "id": html.escape(name)} for value, name in pairs]
        result["unexpected_list"] = values
        result["unexpected_index_column_names"] = ["id"]
    return result


def sets_apart(result: dict[str, Any]) -> dict[str, list[Any]] | None:
    """By `missing` and `unexpected`, the distinct values that an expectation about a set of them found; else None."""
    if "unexpected_percent" in result:
        return None
    names = {"missing": "partial_missing_list", "unexpected": "partial_unexpected_list"}
    return {name: result[key] for name, key in names.items() if key in result} or None


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    return html.escape(value) if isinstance(value, str) else value


def _tidy(page: str) -> str:
    """Drop scripts, links to pages that Great Expectations would have written beside this one, and blank lines."""
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    page = re.sub(r'<a href="(?!#)[^"]*"\s*>(.*?)</a>', r"\1", page, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in page.splitlines() if line.strip()) + "\n"
