"""The whole loop as a person runs it: real git, real DVC, real clones, real kills."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from loop_world import (
    evidence,
    kill,
    must,
    processes_in,
    run_small,
    start_small,
    wait_until,
)
from small_project import REPOSITORY

from lightloop.loop import read_pipeline
from lightloop.project import Project
from lightloop.warm import WARM

pytestmark = pytest.mark.slow
STAGES = [
    "validate",
    "folds",
    "train",
    "calibrate",
    "evaluate",
    "audit",
    "explain",
    "export",
    "compress",
    "gate",
    "report",
]


def test_a_fresh_clone_runs_every_stage_and_says_what_came_of_it(ran: Project):
    output = (ran.scratch / "first-output").read_text()
    for stage in STAGES:
        assert f"{stage} done in" in output
    assert "pulling it from the DVC remote" in output
    assert "Accuracy" in output
    assert "REFUSED" in output, "two epochs on 270 images pass no gate"
    assert str(ran.reports / "index.html") in output
    assert (ran.reports / "index.html").exists()
    score = (ran.reports / "score.html").read_text(encoding="utf-8")
    assert "dvc.lock is not committed" in score, "it tells of the run when that is done, not of its last stage"
    assert not must(ran.root, "git", "tag").strip(), "the run itself tags nothing"
    assert must(ran.root, "git", "log", "--oneline").count("\n") == 1, "nor does it commit"


def test_a_second_run_runs_no_stage(copy: Project):
    before = evidence(copy)
    done = run_small(copy.root)
    assert "none: everything was up to date" in done.stdout
    assert done.returncode == 3
    assert evidence(copy) == before


def test_it_runs_from_another_folder_of_the_project(copy: Project):
    done = run_small(copy.root / "configs")
    assert "none: everything was up to date" in done.stdout


def test_switching_back_restores_from_the_run_cache(copy: Project):
    before = evidence(copy)
    assert "explain done in" in run_small(copy.root, "explain.steps=8").stdout
    done = run_small(copy.root)
    assert "none: everything was up to date" in done.stdout
    assert evidence(copy) == before


@pytest.mark.parametrize("line", ["dvc metrics diff", "dvc plots show", "dvc exp show --only-changed"])
def test_dvc_compares_as_the_readme_says(copy: Project, line: str):
    assert f"`{line}`" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    must(copy.root, *line.split())


def test_two_clones_reach_the_same_bytes(ran: Project, fresh: Project):
    run_small(fresh.root)
    assert evidence(fresh) == evidence(ran)


# With everything imported they are done in some milliseconds: nobody meets them at it.
AT_ONCE = ("folds", "calibrate", "audit", "compress")


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_is_made_good_by_running_again(
    ran: Project, copy: Project, stage: str, monkeypatch: pytest.MonkeyPatch
):
    if stage in AT_ONCE:
        monkeypatch.setenv(WARM, "off")
    forget(copy, stage)
    with start_small(copy.root) as running:
        journal = copy.scratch / "journal"
        wait_until(lambda: f"start {stage}" in journal.read_text())
        victims = [pid for pid in processes_in(copy.root) if f"lightloop\0{stage}" in read_command(pid)]
        assert victims
        for pid in victims:
            kill(pid)
        output, _ = running.communicate(timeout=120)
    assert running.returncode == 1
    assert f"{stage} was killed" in output
    done = run_small(copy.root)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{stage} done in" in done.stdout
    assert evidence(copy) == evidence(ran)


# The stages that write for long enough to be met at it.
WRITING = {"export": "artifacts", "report": "."}


@pytest.mark.parametrize("stage", WRITING)
def test_a_stage_that_is_killed_while_it_writes_leaves_nothing_half(ran: Project, copy: Project, stage: str):
    forget(copy, stage)
    with start_small(copy.root) as running:
        folder = copy.root / WRITING[stage]
        journal = copy.scratch / "journal"
        wait_until(lambda: f"start {stage}" in journal.read_text())
        # A folder that is being written has another name until it is whole.
        wait_until(lambda: scratch_in(folder) != [], every=0.0005)
        victims = [pid for pid in processes_in(copy.root) if f"lightloop\0{stage}" in read_command(pid)]
        for pid in victims:
            kill(pid)
        output, _ = running.communicate(timeout=120)
    assert running.returncode == 1
    assert f"{stage} was killed" in output
    assert scratch_in(folder), "else nothing was being written"
    done = run_small(copy.root)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{stage} done in" in done.stdout
    assert evidence(copy) == evidence(ran)
    assert scratch_in(folder) == []


def scratch_in(folder: Path) -> list[Path]:
    """The folders in which `files.replacing` writes."""
    return [path for path in folder.glob(".*.*-*") if path.is_dir()]


def forget(project: Project, stage: str) -> None:
    """Let a stage have to run again: without its outputs, and without DVC's cache to restore them from."""
    shutil.rmtree(project.root / ".dvc" / "cache")
    written = read_pipeline(project)[stage]
    entries = [entry for kind in ("outs", "metrics") for entry in written.get(kind, [])]
    for name in [name for entry in entries for name in (entry if isinstance(entry, dict) else [entry])]:
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (project.scratch / "journal").write_text("")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets children end with their parent")
def test_a_killed_run_leaves_no_orphan_and_the_next_one_finishes(ran: Project, fresh: Project):
    with start_small(fresh.root) as running:
        journal = fresh.scratch / "journal"
        wait_until(lambda: journal.exists() and "start train" in journal.read_text())
        kill(running.pid)
        running.communicate(timeout=60)
    wait_until(lambda: not processes_in(fresh.root), seconds=10)
    done = run_small(fresh.root)
    assert done.returncode == 3, done.stdout + done.stderr
    assert evidence(fresh) == evidence(ran)


def test_control_c_ends_everything_and_leaves_everything_as_it_was(copy: Project):
    before = evidence(copy)
    (copy.scratch / "journal").write_text("")
    with start_small(copy.root, "trainer.max_epochs=200", "trainer.patience=200") as running:
        wait_until(lambda: "start train" in (copy.scratch / "journal").read_text())
        wait_until(lambda: list(copy.scratch.glob("training/*/last.ckpt")) != [])
        os.killpg(running.pid, signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "lightloop: interrupted: run it again to go on" in output
    wait_until(lambda: not processes_in(copy.root), seconds=10)
    assert evidence(copy) == before


def read_command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
