"""Folds and sweeps are groups."""

from pathlib import Path
from typing import Any

import pytest
from wandb_reader import read_runs
from wandb_server import Wandb
from wandb_world import environment, python

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.project import Project
from lightloop.tracking import close_run, fingerprint, open_run
from lightloop.tracking.members import log_members

HISTORY = [
    {"epoch": 0, "train_loss": 2.0, "validation_loss": 1.5, "lr": 0.1},
    {"epoch": 1, "train_loss": 1.0, "validation_loss": 1.25, "lr": 0.05},
]
ONLINE = """
import json, sys
from pathlib import Path
from lightloop.config.compose import read_params
from lightloop.project import Project
from lightloop.tracking import close_run, open_run
from lightloop.tracking.members import log_members
project = Project(Path(sys.argv[1]))
config = read_params(project)
log_members(config, project, json.loads((project.root / "members.json").read_text()))
for trial in range(2):
    close_run(open_run(config, project, job=f"trial-{trial}", group="fashion-tpe-0123abcd"))
"""


def members() -> list[dict[str, Any]]:
    return [
        {
            "fold": fold,
            "seed": 0,
            "metrics": {"accuracy": 0.5 + fold / 10, "auroc": None},
            "validation_loss": 1.25,
            "history": HISTORY,
        }
        for fold in range(2)
    ]


def test_each_member_is_a_run_of_the_group(config: Config, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_ERROR_REPORTING", "WANDB_SILENT", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WANDB_MODE", "offline")
    log_members(config, project, members())
    group = fingerprint(config, project)
    runs = sorted(read_runs(project.root), key=lambda run: run.about["name"])
    assert [run.about["name"] for run in runs] == [f"{group}-fold-1-seed-1", f"{group}-fold-2-seed-1"]
    assert {(run.about["group"], run.about["job"]) for run in runs} == {(group, "fold")}
    assert [run.config["fold"] for run in runs] == [0, 1]
    assert [run.summary["held_out/accuracy"] for run in runs] == [0.5, 0.6]
    assert [row["train/loss"] for row in runs[0].history] == [2.0, 1.0]
    assert runs[0].history[1]["validation/loss"] == 1.25


def test_without_tracking_nothing_is_written(project: Project) -> None:
    log_members(compose_config(project, ["tracking=none"]), project, members())
    assert not (project.root / "wandb").exists()


@pytest.mark.slow
def test_folds_and_trials_arrive_as_groups(config: Config, project: Project, tmp_path: Path) -> None:
    from lightloop.files import write_json

    write_params(project, config)
    write_json(project.root / "members.json", members())
    with Wandb() as server:
        done = python(project, ONLINE, environment(server.url, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    groups: dict[str, list[str]] = {}
    for run in server.state.runs.values():
        groups.setdefault(run.about["groupName"], []).append(run.about["jobType"])
    assert {name: sorted(jobs) for name, jobs in groups.items()} == {
        fingerprint(config, project): ["fold", "fold"],
        "fashion-tpe-0123abcd": ["trial-0", "trial-1"],
    }
    folds = [run for run in server.state.runs.values() if run.about["jobType"] == "fold"]
    assert sorted(run.summary["held_out/accuracy"] for run in folds) == [0.5, 0.6]
    assert all(len(run.rows) == 2 for run in folds)
    assert server.state.unknown == []


def test_a_sweep_is_its_own_group(config: Config, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_ERROR_REPORTING", "WANDB_SILENT", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WANDB_MODE", "offline")
    close_run(open_run(config, project, job="trial-0", group="fashion-tpe-0123abcd"))
    [run] = read_runs(project.root)
    assert (run.about["group"], run.about["job"]) == ("fashion-tpe-0123abcd", "trial-0")
