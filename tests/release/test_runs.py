"""Runs over time, in a real repository with real tags."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from registry_world import clone, git

from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.release.repository import file_at, files_at
from lightloop.release.runs import all_runs, record_run, recorded_runs

PARAMS = """\
name: demo
seed: 7
data: {name: records, problem: classification}
network: {name: linear}
gate: {metric: accuracy}
"""
POINTER = "outs:\n- md5: 0123456789abcdef.dir\n  path: data\n"


def make_run(project: Project, number: int) -> None:
    """Evidence as a run leaves it."""
    project.metrics.parent.mkdir(parents=True, exist_ok=True)
    estimate = {"value": 0.9 + number / 1000, "low": 0.88, "high": 0.92}
    project.metrics.write_text(json.dumps({"n": 50, "confidence": 0.95, "metrics": {"accuracy": estimate}}))
    project.gate.write_text(json.dumps({"verdict": "accepted", "bundle_digest": f"{number:064x}"}))


def commit(project: Project, message: str) -> str:
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", message)
    return git(project.root, "rev-parse", "HEAD").strip()


def release(project: Project, version: str, stage: str | None = None) -> str:
    """Commit what lies there and tag it, as `lightloop register --promote` does."""
    from gto import api

    made = commit(project, version)
    api.register(project.root, "model", "HEAD", version=version)
    if stage:
        api.assign(project.root, "model", version=version, stage=stage)
    return made


@pytest.fixture
def told(tmp_path: Path) -> Project:
    """A first run, not committed."""
    project = Project(tmp_path / "world")
    project.root.mkdir()
    for name, text in (("params.yaml", PARAMS), ("data.dvc", POINTER), (".gitignore", "/.lightloop/\n")):
        (project.root / name).write_text(text)
    (project.root / ".gto").write_text("stages: [production]\n")
    git(project.root, "init", "-q", "-b", "main")
    commit(project, "start")
    make_run(project, 1)
    return project


def test_a_run_is_recorded_once_and_the_record_only_grows(told: Project):
    assert record_run(told)
    first = told.run_record.read_bytes()
    assert not record_run(told), "nothing new came of it"
    make_run(told, 2)
    assert record_run(told)
    assert told.run_record.read_bytes().startswith(first)
    one, two = recorded_runs(told)
    assert (one.name, one.data, one.problem, one.network) == ("demo", "records", "classification", "linear")
    assert (one.seed, one.n, one.verdict) == (7, 50, "accepted")
    assert one.metrics["accuracy"] == {"value": 0.901, "low": 0.88, "high": 0.92}
    assert [one.digest, two.digest] == [f"{1:064x}", f"{2:064x}"]
    assert one.data_version == told.data_version() == "0123456789abcdef.dir"
    assert (one.when.tzinfo, one.here, one.committed) == (UTC, True, False)
    assert two.commit == git(told.root, "rev-parse", "HEAD").strip()


def test_half_a_line_of_a_killed_run_harms_neither_its_neighbours_nor_the_next(told: Project):
    record_run(told)
    with told.run_record.open("a") as file:
        file.write('{"when": "2026-01-01T00:0')
    make_run(told, 2)
    assert record_run(told)
    assert [run.metrics["accuracy"]["value"] for run in recorded_runs(told)] == [0.901, 0.902]


def test_without_evidence_nothing_is_recorded(told: Project):
    told.metrics.unlink()
    with pytest.raises(LightloopError, match=r"metrics\.json is missing"):
        record_run(told)
    assert all_runs(told).runs == ()


def test_a_result_seen_here_committed_and_released_is_one_run(told: Project):
    record_run(told)
    made = release(told, "v0.1.0", "production")
    (run,) = all_runs(told).runs
    assert (run.version, run.stages, run.verdict) == ("v0.1.0", ("production",), "accepted")
    assert (run.here, run.committed, run.commit) == (True, True, made)
    assert run.when == recorded_runs(told)[0].when, "when it was first seen"


def test_a_clone_knows_of_committed_runs_and_releases_in_the_order_of_time(told: Project, tmp_path: Path):
    release(told, "v0.1.0")
    make_run(told, 2)
    commit(told, "not released")
    other = clone(told, tmp_path / "other")
    runs = all_runs(other).runs
    assert [run.version for run in runs] == ["v0.1.0", None]
    assert [run.metrics["accuracy"]["value"] for run in runs] == [0.901, 0.902]
    assert all(run.committed and not run.here for run in runs)
    assert runs == all_runs(other).runs
    assert runs[0].when <= runs[1].when <= datetime.now(UTC)


def test_a_shallow_clone_says_why_it_knows_less(told: Project, tmp_path: Path):
    release(told, "v0.1.0")
    runs = all_runs(clone(told, tmp_path / "shallow", "--depth=1"))
    assert runs.runs == ()
    assert "shallow clone" in str(runs.unread)


def test_outside_of_git_the_runs_of_the_folder_remain(told: Project):
    record_run(told)
    shutil.rmtree(told.root / ".git")
    runs = all_runs(told)
    assert [run.name for run in runs.runs] == ["demo"]
    assert "not a git repository" in str(runs.unread)


def test_commits_whose_evidence_is_damaged_are_left_out(told: Project):
    release(told, "v0.1.0")
    told.metrics.write_text("{ half")
    git(told.root, "commit", "-qam", "damaged")
    told.metrics.write_text('{"metrics": []}')
    git(told.root, "commit", "-qam", "of another shape")
    assert [run.version for run in all_runs(told).runs] == ["v0.1.0"]


def test_of_a_compressed_bundle_its_own_metrics_are_shown(told: Project):
    gate = json.loads(told.gate.read_text())
    gate["metrics"] = {"accuracy": {"value": 0.8765, "low": 0.86, "high": 0.89}}
    told.gate.write_text(json.dumps(gate))
    release(told, "v0.1.0")
    assert [run.metrics for run in all_runs(told).runs] == [gate["metrics"]]


def test_many_files_are_read_as_one_by_one(told: Project):
    release(told, "v0.1.0")
    odd = told.root / "odd name\u00e9.txt"
    odd.write_bytes("no end\nof line\n\nü".encode())
    commit(told, "odd")
    paths = [odd.name, "params.yaml", "missing.json", "artifacts/gate.json", "data.dvc"]
    wanted = [(revision, path) for revision in ("HEAD", "HEAD~1", "model@v0.1.0") for path in paths]
    assert files_at(told.root, wanted) == [file_at(told.root, *one) for one in wanted]
    assert files_at(told.root, []) == []
