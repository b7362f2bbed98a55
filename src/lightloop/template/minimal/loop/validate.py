"""validate: check the data by its expectation suite, before anything is trained on it."""

import json
from typing import Any

import pandas as pd

from lightloop.errors import RefusedError, UsageError
from lightloop.files import write_json
from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.data import read_table
from lightloop.template.minimal.loop.paths import Project


def validate(config: Config, project: Project) -> None:
    """Run the suite `configs/expectations/NAME.json` with Great Expectations: every violation in one pass.

    Raises:
        RefusedError: a critical expectation was not met; the result says which.
        UsageError: the suite is missing or none.
    """
    table = read_table(project.root / config.data.path, config.data)
    suite = _read_suite(project, config.data.name)
    checks = run_suite(suite, table)
    refusals = [check for check in checks if not check["success"] and check["severity"] == "critical"]
    write_json(project.validation, {"success": not refusals, "rows": len(table), "checks": checks})
    if refusals:
        first = refusals[0]
        about = f"{first['column']}: " if first["column"] else ""
        raise RefusedError(
            f"the data are not as configs/expectations/{config.data.name}.json says, in {len(refusals)} ways; first: "
            f"{about}{first['type']} found {first['observed']} ({first['why']})"
        )


def run_suite(suite: list[dict[str, Any]], table: pd.DataFrame) -> list[dict[str, Any]]:
    """What each expectation found: `type`, `column`, `severity`, `why`, `success`, `observed`."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("pandas")
        .add_dataframe_asset("table")
        .add_batch_definition_whole_dataframe("all")
    )
    expectations = gx.ExpectationSuite("suite")
    for one in suite:
        expectations.add_expectation_configuration(ExpectationConfiguration(type=one["type"], kwargs=one["kwargs"]))
    # One by one: a suite returns its results by column, not in the order of the file.
    found = batch.get_batch(batch_parameters={"dataframe": table})
    results = [found.validate(expectation) for expectation in expectations.expectations]
    return [
        {
            "type": one["type"],
            "column": one["kwargs"].get("column"),
            "severity": one["severity"],
            "why": one["why"],
            "success": bool(result.success),
            "observed": _observed(result.result),
        }
        for one, result in zip(suite, results, strict=True)
    ]


def _observed(result: dict[str, Any]) -> str:
    """In short what was found."""
    if "unexpected_count" in result:
        examples = ", ".join(str(value) for value in result.get("partial_unexpected_list", [])[:3])
        return f"{result['unexpected_count']} of {result['element_count']} records" + (
            f", such as {examples}" if examples else ""
        )
    return str(result.get("observed_value", "nothing"))


def _read_suite(project: Project, name: str) -> list[dict[str, Any]]:
    path = project.root / "configs" / "expectations" / f"{name}.json"
    try:
        suite: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["expectations"]
    except FileNotFoundError:
        raise UsageError(f"{path} is missing: it says what the data must be like") from None
    except (json.JSONDecodeError, KeyError, TypeError):
        raise UsageError(f"{path} is no suite: it needs a list `expectations`") from None
    return suite
