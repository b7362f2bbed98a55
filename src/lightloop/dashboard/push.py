"""`lightloop dashboard`: print or save the project's workspace and report in W&B. Saving again changes the same two."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightloop.config.schema import Config, WandbTracking
from lightloop.dashboard.layout import sections
from lightloop.dashboard.page import blocks, title
from lightloop.errors import UsageError
from lightloop.files import read_json_or, write_json
from lightloop.project import Project
from lightloop.tracking.child import answering, ask
from lightloop.tracking.sending import require_server

if TYPE_CHECKING:
    import wandb_workspaces.workspaces as ws

PUSH_TIMEOUT = 120.0
# The workspace's name in its address; W&B wants it in these letters.
VIEW = "nw-lightloop{name}-v"


def show(config: Config, project: Project, *, as_json: bool = False) -> str:
    """What `push` would save, for people or as JSON; needs neither key nor network.

    Raises:
        UsageError: tracking is none.
    """
    tracking = _tracking(config)
    made = workspace(config, tracking.entity or "your-entity")
    told = [
        {"section": section.name, "panels": [_panel(panel) for panel in section.panels]} for section in made.sections
    ]
    page = [_block(block) for block in blocks(config, project)]
    if as_json:
        content = {"project": tracking.project, "workspace": made.name, "sections": told}
        return json.dumps(content | {"report": title(config), "blocks": page}, indent=2, ensure_ascii=False)
    where = f"{tracking.entity or '(your default entity)'}/{tracking.project}"
    lines = [f"workspace {made.name!r} in {where}"]
    for entry in told:
        lines += [f"  {entry['section']}", *(f"    {_line(panel)}" for panel in entry["panels"])]
    lines.append(f"report {title(config)!r}")
    for block in page:
        lines += [f"  {line}" for line in block.splitlines()]
    return "\n".join(lines)


def push(config: Config, project: Project) -> dict[str, str]:
    """Save workspace and report; their addresses.

    What was saved is remembered in the project's scratch folder and found again by its name, so that it is changed and
    not made twice.

    Raises:
        UsageError: no key is set, or tracking is none.
        LightloopError: the server is not reachable, says no, or does not answer within `PUSH_TIMEOUT` seconds.
    """
    tracking = _tracking(config)
    require_server(project, config)
    remembered = _remembered(project)
    question = {"config": config.model_dump(mode="json"), "root": str(project.root), "known": remembered}
    answer = ask("lightloop.dashboard.push", question, PUSH_TIMEOUT)
    saved = {f"{answer['entity']}/{tracking.project}/{config.name}": answer["report_id"]}
    write_json(_memory(project), remembered | saved)
    return {"workspace": answer["workspace"], "report": answer["report"]}


def workspace(config: Config, entity: str) -> "ws.Workspace":
    """The workspace of a config's project, built without a server."""
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces import expr

    tracking = _tracking(config)
    made = ws.Workspace(
        entity=entity,
        project=tracking.project,
        name=title(config),
        sections=sections(config),
        auto_generate_panels=False,
    )
    made.runset_settings = ws.RunsetSettings(
        groupby=[expr.Metric("Group")],
        pinned_columns=["run:displayName", f"summary:metrics/{config.gate.metric}", "summary:gate/verdict"],
    )
    # No public setting: by it W&B knows that a workspace is the one that was saved before.
    made._internal_name = _view(config)
    return made


def _push(question: dict[str, Any]) -> dict[str, Any]:
    import wandb
    import wandb_workspaces.reports.v2 as wr

    from lightloop.config.compose import validate_config

    config = validate_config(question["config"])
    project = Project(Path(question["root"]))
    tracking = _tracking(config)
    api = wandb.Api(timeout=20)
    entity = tracking.entity or api.default_entity
    if not entity:
        raise UsageError("the account has no default entity: set tracking.entity in configs/tracking/wandb.yaml")
    if tracking.project not in {found.name for found in api.projects(entity)}:
        api.create_project(tracking.project, entity)

    made = workspace(config, entity)
    made._internal_id = _saved_view(entity, tracking.project, _view(config))
    made.save()

    key = f"{entity}/{tracking.project}/{config.name}"
    page = wr.Report(entity=entity, project=tracking.project, title=title(config), width="fluid")
    page.description = f"What the loop found about the model {config.name}. Written by `lightloop dashboard push`."
    page.blocks = blocks(config, project, wr.Runset(entity=entity, project=tracking.project, name="Runs"))
    page.id = question["known"].get(key) or _saved_report(api, f"{entity}/{tracking.project}", page.title)
    page.save()
    return {"entity": entity, "workspace": made.url, "report": page.url, "report_id": page.id}


def _saved_view(entity: str, project: str, name: str) -> str:
    """The id of the workspace that was saved before, or nothing."""
    from wandb_workspaces.workspaces.internal import get_view_dict

    try:
        # The function that Workspace.from_url uses, which itself would also want to understand the old content.
        return str(get_view_dict(entity, project, name.removeprefix("nw-").removesuffix("-v"))["id"])
    except ValueError:
        return ""


def _saved_report(api: Any, path: str, name: str) -> str:
    return next((str(report.id) for report in api.reports(path) if report.display_name == name), "")


def _view(config: Config) -> str:
    letters = "".join(letter for letter in config.name.lower() if letter.isascii() and letter.isalnum())
    return VIEW.format(name=letters)


def _tracking(config: Config) -> WandbTracking:
    if not isinstance(config.tracking, WandbTracking):
        raise UsageError("tracking is none in params.yaml, so that there is no dashboard: run with tracking=wandb")
    return config.tracking


def _memory(project: Project) -> Path:
    return project.scratch / "dashboard.json"


def _remembered(project: Project) -> dict[str, str]:
    content: dict[str, str] = read_json_or(_memory(project), {})
    return content


def _panel(panel: Any) -> dict[str, Any]:
    """Kind, title and what a panel shows."""
    names = ("metrics", "y", "metric_regex", "media_keys", "table_name", "artifact", "tab")
    shown = {name: value for name in names if (value := getattr(panel, name, None))}
    return {"kind": type(panel).__name__, "title": getattr(panel, "title", None), "shows": shown}


def _line(panel: dict[str, Any]) -> str:
    what = ", ".join(
        " ".join(map(str, value)) if isinstance(value, list) else str(value) for value in panel["shows"].values()
    )
    return " | ".join(part for part in (panel["kind"], panel["title"], what) if part)


def _block(block: Any) -> str:
    if hasattr(block, "panels"):
        return "\n".join(_line(_panel(panel)) for panel in block.panels)
    return str(block.text)


if __name__ == "__main__":
    answering(_push)
