"""The table at the end of `lightloop run`, read from the evidence files."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from lightloop.config.metrics import METRICS
from lightloop.errors import RefusedError
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.report.judgement import judge_gain

RELEASE_COMMAND = "lightloop register --commit --promote production"


def print_summary(project: Project, seconds: dict[str, float]) -> None:
    """Print data check, metrics with intervals, verdict, report and the command that releases.

    Args:
        project: after a whole run.
        seconds: of each stage that was run now; the others were up to date or came from DVC's run cache.

    Raises:
        RefusedError: the gate refused the challenger.
    """
    verdict = read_json(project.gate)
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("stages run", _stages(seconds))
    table.add_row("data check", _data_check(read_json(project.validation_result)))
    metrics = read_json(project.metrics)
    share = f"{metrics['confidence']:.0%}"
    for name, estimate in metrics["metrics"].items():
        baseline = metrics["baseline"].get(name)
        beside = f"   baseline {_number(baseline['value'])}" if baseline else ""
        table.add_row(METRICS[name].title, f"{_estimate(estimate)}{beside}")
    table.add_row("", f"in brackets: {share} bootstrap intervals over {metrics['n']:,} test records")
    gain = judge_gain(metrics, METRICS[metrics["better_than_baseline"]["metric"]].title, "the simpler model")
    if gain:
        table.add_row("simpler model", gain.sentence)
    table.add_row("audit", _audit(project))
    compression = read_json(project.compression)
    if compression["applies"]:
        table.add_row("compression", _compression(compression))
    table.add_row("gate", _gate(verdict))
    table.add_row("report", str(project.reports / "index.html"))
    if verdict["verdict"] == "accepted":
        table.add_row("to release it", RELEASE_COMMAND)
    # Wide enough not to break lines where there is no terminal to ask.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print()
    console.print(table)
    if verdict["verdict"] != "accepted":
        failed = [check for check in verdict["checks"] if not (check["passed"] or check.get("warning"))]
        raise RefusedError(f"the gate refused this model: {failed[0]['message']}")


def _stages(seconds: dict[str, float]) -> str:
    if not seconds:
        return "none: everything was up to date"
    return ", ".join(f"{stage} {spent:.0f} s" for stage, spent in seconds.items())


def _data_check(result: dict[str, Any]) -> str:
    checks = result["checks"]
    passed = sum(check["success"] for check in checks)
    records = sum(result["rows"].values())
    return f"{'passed' if result['success'] else 'FAILED'}, {passed} of {len(checks)} expectations, {records:,} records"


def _audit(project: Project) -> str:
    """What the audit found, in short."""
    found, doubted = (read_json(project.audit / f"{name}.json") for name in ("robustness", "labels"))
    parts = []
    if found["applies"]:
        kinds = (f"{name.replace('_', ' ')} {_number(kind['mean'])}" for name, kind in found["corruptions"].items())
        parts.append(f"{METRICS[found['metric']].title} on worse records: {', '.join(kinds)}")
        checks = found["metamorphic"]
        parts += [f"{sum(one['passed'] for one in checks)} of {len(checks)} declared checks hold"] if checks else []
    share = doubted.get("estimated_share")
    parts += [f"{share['value']:.1%} of labels doubted"] if share else []
    return "; ".join(parts) or str(found["why"])


def _compression(content: dict[str, Any]) -> str:
    """What was released, and what that cost."""
    row = next(row for row in content["candidates"] if row["chosen"])
    tried = f"of {len(content['candidates']) - 1} ways tried"
    if not row["steps"]:
        return f"none {tried} is smaller and answers as well: the network is released as it was trained"
    network, title = content["candidates"][0], METRICS[content["metric"]].title
    before, after = (one["bytes"]["graph"] / 1e3 for one in (network, row))
    was, now = (_number(one["test"]["metric"]["value"]) for one in (network, row))
    return f"{row['name']} {tried}: {before:,.0f} to {after:,.0f} kB, {title} {now} instead of {was}"


def _gate(verdict: dict[str, Any]) -> str:
    passed = sum(check["passed"] for check in verdict["checks"])
    champion = verdict["champion"]
    against = f"against {champion['version']}" if champion else "no champion yet: bounds and baseline decide"
    return f"{verdict['verdict'].upper()}, {passed} of {len(verdict['checks'])} checks, {against}"


def _estimate(estimate: dict[str, float | None]) -> str:
    return f"{_number(estimate['value'])} [{_number(estimate['low'])}, {_number(estimate['high'])}]"


def _number(value: float | None) -> str:
    """Four decimals; numbers in the hundreds and thousands need none of them."""
    if value is None:
        return "undefined"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"
