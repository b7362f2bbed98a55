"""The W&B report of a project: the verdict and its figures as they stand in the evidence files, and live panels."""

from typing import TYPE_CHECKING, Any

from lightloop.config.metrics import METRICS, OF_PROBLEM
from lightloop.config.schema import Config
from lightloop.dashboard.layout import metric_panel
from lightloop.files import read_json_or
from lightloop.project import Project
from lightloop.tracking.artifacts import artifact_name

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as wr


def title(config: Config) -> str:
    """Of the report; the one of another config has another."""
    return f"Lightloop: {config.name}"


def blocks(config: Config, project: Project, runset: "wr.Runset | None" = None) -> "list[wr.BlockTypes]":
    """What the report says, from evidence alone; where nothing has run yet, it says that.

    Args:
        config: of the project.
        project: whose evidence is read.
        runset: the runs that panels show; without it no server is needed.
    """
    import wandb_workspaces.reports.v2 as wr

    metrics, gate = read_json_or(project.metrics), read_json_or(project.gate)
    # Without a project a run set asks no server.
    runsets = [runset or wr.Runset(name="Runs")]
    panels = [metric_panel(METRICS[name]) for name in OF_PROBLEM[config.data.problem]]
    for place, panel in enumerate(panels):
        panel.layout = wr.Layout(x=12 * (place % 2), y=8 * (place // 2), w=12, h=8)
    model = artifact_name(config.name, "model")
    lineage = wr.WeavePanelArtifact(artifact=model, tab="lineage", layout=wr.Layout(x=0, y=0, w=24, h=12))
    return [
        wr.H1("Verdict"),
        wr.MarkdownBlock(text=_verdict(gate)),
        wr.H1("Figures"),
        wr.MarkdownBlock(text=_figures(metrics)),
        wr.PanelGrid(runsets=runsets, panels=panels),
        wr.H1("Checks"),
        wr.MarkdownBlock(text=_checks(gate)),
        wr.H1("Where it comes from"),
        wr.PanelGrid(runsets=runsets, panels=[lineage]),
    ]


def _verdict(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "Nothing was judged yet: `lightloop run` does it."
    champion = (gate["champion"] or {}).get("version") or "no champion"
    return f"**{gate['verdict']}**, against {champion}; bundle `{gate['bundle_digest'][:12]}`."


def _figures(metrics: dict[str, Any] | None) -> str:
    if metrics is None:
        return "Nothing was evaluated yet."
    lines = ["| metric | model | simpler model | better |", "|---|---|---|---|"]
    for name, interval in metrics["metrics"].items():
        spec = METRICS[name]
        baseline = metrics["baseline"].get(name)
        beside = _interval(baseline) if baseline else ""
        lines.append(f"| {spec.title} | {_interval(interval)} | {beside} | {spec.direction} |")
    share = f"{metrics['confidence']:.0%}"
    return "\n".join([*lines, "", f"In brackets {share} bootstrap intervals over {metrics['n']:,} test records."])


def _checks(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "None yet."
    rows = [f"| {check['name']} | {_result(check)} | {_cell(check)} |" for check in gate["checks"]]
    return "\n".join(["| check | result | in words |", "|---|---|---|", *rows])


def _result(check: dict[str, Any]) -> str:
    if check["passed"]:
        return "passed"
    return "warning" if check.get("warning") else "FAILED"


def _cell(check: dict[str, Any]) -> str:
    return str(check.get("message", "")).replace("|", "/").replace("\n", " ")


def _interval(interval: dict[str, float | None]) -> str:
    value, low, high = (interval[key] for key in ("value", "low", "high"))
    if value is None:
        return "undefined"
    return f"{value:.4g}" + ("" if low is None or high is None else f" [{low:.4g}, {high:.4g}]")
