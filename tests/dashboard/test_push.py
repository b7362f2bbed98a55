"""The dashboard as code: shown without a server, saved once and changed afterwards."""

import json
import shutil
from pathlib import Path

import pytest
from judged import make_judged
from wandb_server import Wandb
from wandb_world import assert_key_is_nowhere, environment, lightloop

from lightloop.config.compose import compose_config, write_params
from lightloop.config.metrics import METRICS, OF_PROBLEM
from lightloop.config.schema import Config
from lightloop.dashboard import push as pushing
from lightloop.dashboard.layout import SECTIONS
from lightloop.dashboard.push import push, show, workspace
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project

# wandb-workspaces 0.4 is written in Pydantic's older style.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb_workspaces", "ignore:Pydantic V1 style")


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("WANDB_ERROR_REPORTING", "WANDB_SILENT", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.mark.parametrize("experiment", ["fashion", "loans", "spam", "co2", "fashion-gan"])
def test_every_metric_of_the_problem_is_shown(project: Project, experiment: str) -> None:
    config = compose_config(project, [f"experiment={experiment}"])
    told = json.loads(show(config, project, as_json=True))
    by_name = {entry["section"]: entry["panels"] for entry in told["sections"]}
    assert tuple(by_name) == SECTIONS
    assert all(by_name.values())
    shown = {name for panel in by_name["Evaluation"] for name in panel["shows"].get("metrics", [])}
    names = OF_PROBLEM[config.data.problem]
    assert {f"metrics/{name}{end}" for name in names for end in ("", "/low", "/high")} <= shown
    titles = [panel["title"] for panel in by_name["Evaluation"]]
    assert f"{METRICS[names[0]].title}: {METRICS[names[0]].direction} is better" in titles
    media = [key for panel in by_name["Explanations"] for key in panel["shows"].get("media_keys", [])]
    assert {f"explanations/{method}" for method in config.explain.methods} <= set(media)
    # What W&B is sent can be written, and holds what is shown.
    spec = workspace(config, "someone")._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    assert all(f"metrics/{name}" in spec for name in names)


def test_report_says_what_the_evidence_says(config: Config, project: Project) -> None:
    before = show(config, project)
    assert "Nothing was judged yet" in before
    make_judged(config, project)
    said = show(config, project)
    assert "**refused**, against no champion; bundle `abababababab`." in said
    assert "| Accuracy | 0.875 [0.81, 0.93] | 0.75 [0.81, 0.93] | higher |" in said
    assert "| AUROC | undefined |" in said
    assert "In brackets 95% bootstrap intervals over 100 test records." in said
    assert "| explanations | FAILED |" in said


def test_show_needs_neither_key_nor_network(config: Config, project: Project, tmp_path: Path) -> None:
    write_params(project, config)
    done = lightloop(project, environment("http://127.0.0.1:9", tmp_path, WANDB_API_KEY=""), "dashboard", "show")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("workspace 'Lightloop: fashion' in (your default entity)/lightloop\n  Overview\n")


def test_mistakes_are_one_sentence(config: Config, project: Project, with_key: pytest.MonkeyPatch) -> None:
    with pytest.raises(LightloopError, match=r"W&B is not reachable at http://127\.0\.0\.1:9"):
        push(config, project)
    with pytest.raises(UsageError, match="so that there is no dashboard: run with tracking=wandb"):
        push(compose_config(project, ["tracking=none"]), project)
    with_key.delenv("WANDB_API_KEY")
    with pytest.raises(UsageError, match="W&B wants a key: set WANDB_API_KEY"):
        push(config, project)
    assert not (project.scratch / "dashboard.json").exists()


@pytest.mark.slow
def test_a_second_push_changes_the_same_two(config: Config, project: Project, tmp_path: Path) -> None:
    write_params(project, config)
    with Wandb() as server:
        given = environment(server.url, tmp_path)
        done = lightloop(project, given, "dashboard", "push")
        assert done.returncode == 0, done.stderr
        assert f"workspace: {server.url}/acme/lightloop?nw=lightloopfashion\n" in done.stdout
        assert f"report: {server.url}/acme/lightloop/reports/Lightloop:-fashion--" in done.stdout
        [saved] = [view for view in server.state.views.values() if view["type"] == "project-view"]
        sections = json.loads(saved["spec"])["section"]["panelBankConfig"]["sections"]
        assert [section["name"] for section in sections] == list(SECTIONS)
        [report] = [view for view in server.state.views.values() if view["type"] == "runs"]
        assert "Nothing was judged yet" in report["spec"]

        make_judged(config, project)
        again = lightloop(project, given, "dashboard", "push")
        assert again.stdout == done.stdout
        # In another clone nothing is remembered: both are found by their names.
        shutil.rmtree(project.scratch)
        assert lightloop(project, given, "dashboard", "push").stdout == done.stdout
        assert len(server.state.views) == 2
        assert "abababababab" in server.state.views[report["id"]]["spec"]
        assert server.state.unknown == []
    assert_key_is_nowhere(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["GetProjects", "UpsertView2"])
def test_a_server_that_fails_costs_a_bounded_time(
    config: Config, project: Project, with_key: pytest.MonkeyPatch, operation: str
) -> None:
    with_key.setattr(pushing, "PUSH_TIMEOUT", 6.0)
    with Wandb(failing=frozenset({operation})) as server:
        with_key.setenv("WANDB_BASE_URL", server.url)
        with pytest.raises(LightloopError, match=r"W&B (did not answer within 6 seconds|said no: )"):
            push(config, project)
    assert not (project.scratch / "dashboard.json").exists()
