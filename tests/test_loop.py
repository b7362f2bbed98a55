"""The whole loop as a person runs it: real git, real DVC, real clones, real kills."""

import os
import signal
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loop_world import (
    clone,
    command,
    commit_all,
    evidence,
    kill,
    make_repository,
    must,
    processes_in,
    run_small,
    start_small,
    wait_until,
)

from lightloop.files import read_json
from lightloop.project import Project

pytestmark = pytest.mark.slow
STAGES = ["validate", "train", "evaluate", "explain", "export", "gate", "report"]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository that was just made, to be cloned."""
    return make_repository(tmp_path_factory.mktemp("loop") / "origin")


@pytest.fixture(scope="module")
def ran(origin: Project) -> Project:
    """A clone in which the loop ran once; to be read only."""
    project = clone(origin.root, origin.root.parent / "ran")
    done = run_small(project.root)
    assert done.returncode == 3, done.stdout + done.stderr
    (project.root / ".first-output").write_text(done.stdout + done.stderr)
    return project


@pytest.fixture
def fresh(origin: Project, tmp_path: Path) -> Project:
    return clone(origin.root, tmp_path / "clone")


@pytest.fixture
def copy(ran: Project, tmp_path: Path) -> Project:
    """A copy of the clone in which the loop ran, to be changed at will."""
    must(tmp_path, "cp", "-a", str(ran.root), str(tmp_path / "copy"))
    return Project(tmp_path / "copy")


def test_a_fresh_clone_runs_every_stage_and_says_what_came_of_it(ran: Project):
    output = (ran.root / ".first-output").read_text()
    for stage in STAGES:
        assert f"{stage} done in" in output
    assert "pulling it from the DVC remote" in output
    assert "Accuracy" in output
    assert "REFUSED" in output, "two epochs on 270 images pass no gate"
    assert str(ran.reports / "index.html") in output
    assert (ran.reports / "index.html").exists()
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


def test_two_clones_reach_the_same_bytes(ran: Project, fresh: Project):
    run_small(fresh.root)
    assert evidence(fresh) == evidence(ran)


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_is_made_good_by_running_again(ran: Project, fresh: Project, stage: str):
    running = start_small(fresh.root)
    journal = fresh.scratch / "journal"
    wait_until(lambda: journal.exists() and f"start {stage}" in journal.read_text())
    victims = [pid for pid in processes_in(fresh.root) if f"lightloop\0{stage}" in read_command(pid)]
    assert victims
    for pid in victims:
        kill(pid)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 1
    assert f"{stage} was killed" in output
    done = run_small(fresh.root)
    assert done.returncode == 3, done.stdout + done.stderr
    assert evidence(fresh) == evidence(ran)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets children end with their parent")
def test_a_killed_run_leaves_no_orphan_and_the_next_one_finishes(ran: Project, fresh: Project):
    running = start_small(fresh.root)
    journal = fresh.scratch / "journal"
    wait_until(lambda: journal.exists() and "start train" in journal.read_text())
    kill(running.pid)
    running.communicate(timeout=60)
    wait_until(lambda: not processes_in(fresh.root), seconds=10)
    done = run_small(fresh.root)
    assert done.returncode == 3, done.stdout + done.stderr
    assert evidence(fresh) == evidence(ran)


def test_control_c_ends_everything(fresh: Project):
    running = start_small(fresh.root)
    journal = fresh.scratch / "journal"
    wait_until(lambda: journal.exists() and "start train" in journal.read_text())
    os.killpg(running.pid, signal.SIGINT)
    output, _ = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "Traceback" not in output
    wait_until(lambda: not processes_in(fresh.root), seconds=10)


def spoil(project: Project, name: str) -> None:
    """Put one fault into the training file."""
    path = project.root / "data/fashion/train.parquet"
    table = pq.read_table(path)
    images, labels = table.column("image").to_pylist(), table.column("label").to_pylist()
    match name:
        case "unknown label":
            labels[5] = "umbrella"
        case "undecodable image":
            images[5]["bytes"] = images[5]["bytes"][:100]
        case "empty class":
            kept = [row for row, label in enumerate(labels) if label != "bag"]
            images, labels = [images[row] for row in kept], [labels[row] for row in kept]
        case "duplicate":
            images[6] = images[5]
        case "wrong column":
            pq.write_table(table.rename_columns(["image", "class"]), path)
            return
    pq.write_table(pa.table({"image": pa.array(images, table.schema.field("image").type), "label": labels}), path)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unknown label", "umbrella"),
        ("undecodable image", "train/5"),
        ("empty class", "bag"),
        ("duplicate", "train/5"),
        ("wrong column", "has no column 'label'"),
    ],
)
def test_bad_data_stops_the_loop_and_leaves_everything_as_it_was(copy: Project, fault: str, words: str):
    before, pointer = evidence(copy), (copy.root / "data.dvc").read_text()
    must(copy.root, "dvc", "unprotect", "data")
    spoil(copy, fault)
    done = run_small(copy.root)
    assert done.returncode == 3, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert evidence(copy) == before
    assert (copy.root / "data.dvc").read_text() == pointer


def test_a_truncated_or_missing_file_is_one_sentence(copy: Project):
    before = evidence(copy)
    path = copy.root / "data/fashion/test.parquet"
    must(copy.root, "dvc", "unprotect", "data")
    path.write_bytes(path.read_bytes()[:5000])
    done = run_small(copy.root)
    assert done.returncode == 1
    assert "test.parquet is not a whole Parquet file" in done.stderr
    path.unlink()
    done = run_small(copy.root)
    assert done.returncode == 1
    assert "test.parquet is missing" in done.stderr
    assert evidence(copy) == before
    must(copy.root, "dvc", "checkout", "--force", "data.dvc")
    assert "none: everything was up to date" in run_small(copy.root).stdout


def test_training_that_diverges_is_one_sentence(copy: Project):
    before = evidence(copy)
    done = run_small(copy.root, "optimizer=sgd", "optimizer.lr=1e30")
    assert done.returncode == 1
    assert "the training loss became" in done.stderr
    assert "Traceback" not in done.stderr
    assert evidence(copy) == before


def test_a_disk_that_is_full_is_one_sentence(copy: Project):
    if command(copy.root, "unshare", "--mount", "--map-root-user", "true").returncode:
        pytest.skip("this machine does not let us mount a small disk")
    script = "mount -t tmpfs -o size=8k tmpfs artifacts/evaluation && lightloop evaluate"
    done = command(copy.root, "unshare", "--mount", "--map-root-user", "sh", "-c", script)
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_remote_is_one_sentence(fresh: Project):
    (fresh.root / "storage").rename(fresh.root / "elsewhere")
    done = run_small(fresh.root)
    assert done.returncode == 1
    assert "the data could not be pulled" in done.stderr


def test_a_damaged_remote_is_one_sentence(fresh: Project):
    for path in (fresh.root / "storage").rglob("*"):
        if path.is_file() and path.stat().st_size > 10_000:
            path.write_bytes(path.read_bytes()[:1000])
    done = run_small(fresh.root)
    assert done.returncode == 1
    assert "the data could not be pulled" in done.stderr


def test_a_shallow_clone_is_refused(origin: Project, tmp_path: Path):
    (origin.root / "more.txt").write_text("a second commit")
    commit_all(origin.root, "more")
    project = clone(origin.root, tmp_path / "shallow", "--depth", "1")
    done = run_small(project.root)
    assert done.returncode == 2
    assert "shallow" in done.stderr
    assert "git fetch --unshallow" in done.stderr


def test_a_folder_without_git_is_refused(fresh: Project):
    must(fresh.root, "rm", "-rf", ".git")
    done = run_small(fresh.root)
    assert done.returncode == 2
    assert "no git repository" in done.stderr


def test_release_gate_and_rollback(copy: Project):
    """The story of two releases: forced, gated against the champion, rolled back."""
    done = command(copy.root, "lightloop", "register", "--commit", "--promote", "production")
    assert done.returncode == 3, "the gate refused this model"
    assert must(copy.root, "git", "tag").split() == ["model@v0.1.0"]
    must(copy.root, "lightloop", "promote", "--stage", "production", "--force")
    assert "forced" in must(copy.root, "git", "tag", "-n9", "-l", "model#production#1")
    done = run_small(copy.root)
    assert done.returncode == 0, "a model is not worse than itself"
    assert "against v0.1.0" in done.stdout
    done = run_small(copy.root, "trainer.max_epochs=3", "network.dropout=0.1")
    verdict = read_json(copy.gate)
    assert verdict["champion"]["version"] == "v0.1.0"
    must(copy.root, "lightloop", "register", "--commit")
    must(copy.root, "lightloop", "promote", "--stage", "production", "--force")
    assert "v0.2.0" in must(copy.root, "lightloop", "releases")
    must(copy.root, "lightloop", "rollback")
    assert must(copy.root, "gto", "show", "model#production", "--version").strip() == "v0.1.0"
    assert must(copy.root, "git", "status", "--porcelain") == ""
    again = clone(copy.root, copy.root.parent / "again")
    run_small(again.root)
    assert read_json(again.gate)["champion"]["version"] == "v0.1.0"


def read_command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
