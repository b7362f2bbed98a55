"""The whole way from the log to data.dvc."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from log_world import START, applicants, table_project, write_answers
from registry_world import DVC_CONFIG, dvc, git
from s3_world import bucket, put
from tables import small_frame

from lightloop.cli import application as command_line
from lightloop.collection import collect as module
from lightloop.collection.collect import Collection, collect
from lightloop.collection.said import said
from lightloop.data.collected import collected_path
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.versions.change import recover

pytestmark = pytest.mark.slow  # Great Expectations


@pytest.fixture
def project(tmp_path: Path, repository: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository with data under DVC and a log of 40 labelled predictions that are new to it."""
    table_project(tmp_path, repository)
    for folder in repository.configs.iterdir():
        if not (tmp_path / "configs" / folder.name).exists():
            copy = shutil.copytree if folder.is_dir() else shutil.copy
            copy(folder, tmp_path / "configs" / folder.name)
    shutil.copy(repository.root / "dvc.yaml", tmp_path)
    git(tmp_path, "init", "--quiet")
    dvc(tmp_path, "init", "--quiet")
    (tmp_path / ".dvc/config").write_text(DVC_CONFIG)
    (tmp_path / ".gitignore").write_text("/data\n/.lightloop\n")
    dvc(tmp_path, "add", "--quiet", "data")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "start")
    write_answers(tmp_path, *applicants(40))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def run(project: Project, **more) -> Collection:
    return collect(project, window=timedelta(days=30), now=START + timedelta(days=1), **more)


def changed(project: Project) -> str:
    return git(project.root, "status", "--porcelain")


def test_labelled_predictions_become_data_once(project: Project) -> None:
    looked = run(project, dry_run=True)
    assert changed(project) == ""
    assert "would add 40 records" in said(looked)
    found = run(project)
    assert changed(project) == " M data.dvc\n"
    assert found.added == looked.added
    assert sum(found.added.values()) == 40
    assert set(found.added) == {"train", "validation", "test"}
    assert found.labels == {"cheap": 20, "dear": 20}
    assert found.data_version == project.data_version()
    again = run(project)
    assert (again.added, again.collected_before, again.labelled) == ({}, 40, 40)
    assert said(again).endswith("nothing new: the data are as they were")
    assert project.data_version() == found.data_version
    assert dvc(project.root, "status", "data.dvc").strip() == "Data and pipelines are up to date."


def test_what_is_known_already_is_not_counted_twice(project: Project) -> None:
    here = json.loads(small_frame().drop(columns=["kind", "price"]).to_json(orient="records"))
    labels = small_frame()["kind"].tolist()
    new, of_new = applicants(10)
    write_answers(project.root, [*here[:20], *new, *new], [*labels[:20], *of_new, *of_new])
    found = run(project)
    assert (found.known, sum(found.added.values())) == (30, 10)


def test_a_record_under_another_label_is_set_aside(project: Project) -> None:
    here = json.loads(small_frame().drop(columns=["kind", "price"]).to_json(orient="records"))
    turned = {"dear": "cheap", "cheap": "dear"}[small_frame()["kind"][0]]
    new, of_new = applicants(10)
    write_answers(project.root, [here[0], *new], [turned, *of_new])
    found = run(project)
    assert sum(found.added.values()) == 10
    (reason,) = found.set_aside
    assert found.set_aside[reason] == 1
    assert "The same record under two labels" in reason


def test_labels_that_are_no_class_are_set_aside_and_lost_columns_are_refused(project: Project) -> None:
    new, of_new = applicants(10)
    write_answers(project.root, new, ["cheep", *of_new[1:]])
    assert sum(run(project, dry_run=True).added.values()) == 9
    for record in new:
        record["town"] = None
    write_answers(project.root, new * 3, of_new * 3)
    with pytest.raises(RefusedError, match="the log does not keep 'town'"):
        run(project)


def test_after_the_truth_has_changed_older_records_are_left_out(project: Project) -> None:
    new, of_new = applicants(300)
    write_answers(project.root, new, [{"dear": "cheap", "cheap": "dear"}[label] for label in of_new])
    found = run(project, dry_run=True)
    assert found.judgement is not None
    assert (found.judgement.since, found.judgement.before) == (START, None)
    assert "records hold since 2026-11-20 00:00 UTC, 48 older ones are left out" in said(found)
    config = module.read_params(project)
    assert len(read_splits(config.data, project.root, config.seed)["train"]) == 38
    done = run(project)
    assert done.judgement == found.judgement
    splits = read_splits(config.data, project.root, config.seed)
    assert {side: len(table) for side, table in splits.items()} == done.added
    assert all(name.startswith("collected/") for table in splits.values() for name in table["id"].to_pylist())
    (project.configs / "monitor/default.yaml").write_text("collect: {newest: null}\n")
    write_answers(project.root, *applicants(310))
    assert run(project).judgement is None


def test_where_dvc_fails_all_is_as_it_was(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "data.dvc").write_text("no pointer")
    before = sorted((project.root / "data").rglob("*"))
    with pytest.raises(LightloopError, match="`dvc add` failed"):
        run(project)
    assert sorted((project.root / "data").rglob("*")) == before


def test_a_change_that_was_killed_is_taken_back_first(project: Project) -> None:
    """Else its half would be recorded, and what was collected be taken back with it later."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    (project.root / "data/half").mkdir()
    (project.root / "data/half/a.txt").write_text("of a change that was killed")
    pointer = (project.root / "data.dvc").read_text()
    journal = {"process": dead.pid, "pointer": pointer, "targets": ["data/half"], "existed": [False], "made": []}
    write_json(project.scratch / "change/journal.json", journal)
    found = run(project)
    assert not (project.root / "data/half").exists()
    assert not recover(project)
    assert found.data_version == project.data_version()
    assert dvc(project.root, "status", "data.dvc").strip() == "Data and pipelines are up to date."


def test_there_must_be_something_to_collect(project: Project) -> None:
    (project.configs / "serve/default.yaml").write_text("log: {folder: null}\n")
    with pytest.raises(UsageError, match=r"serve\.log\.folder is null"):
        run(project)
    (project.configs / "serve/default.yaml").write_text("feedback: null\n")
    with pytest.raises(UsageError, match=r"serve\.feedback is null"):
        run(project)


def test_the_command(project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["lightloop", "collect", "--window", "1d", "--now", "2026-11-21", "--json"])
    command_line.main()
    found = Collection.model_validate_json(capsys.readouterr().out)
    assert sum(found.added.values()) == 40
    table = pq.read_table(collected_path(module.read_params(project).data, project.root))
    assert sorted(set(table.column("collected_split").to_pylist())) == ["test", "train", "validation"]


def test_log_and_feedback_may_lie_in_s3(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    here = project.root / ".lightloop"
    with bucket(monkeypatch) as address:
        put(here, f"{address}/production")
        shutil.rmtree(here)
        found = run(project, log=f"{address}/production/log", feedback=f"{address}/production/feedback")
    assert (found.labelled, sum(found.added.values())) == (40, 40)
