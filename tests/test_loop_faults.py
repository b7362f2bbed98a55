"""What goes wrong around a loop, each in one sentence with its exit code, and a release story."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loop_world import clone, command, commit_all, evidence, must, run_small

from lightloop.files import read_json
from lightloop.project import Project

pytestmark = pytest.mark.slow
# A network that saw 270 images twice is far below the demo's bounds.
LOOSE = ("gate.bounds.accuracy=0.05", "gate.bounds.log_loss=9", "gate.bounds.ece=1")


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


@pytest.mark.parametrize("stage", ["train", "evaluate", "explain", "export", "compress"])
def test_a_disk_that_is_full_is_one_sentence(copy: Project, stage: str):
    if command(copy.root, "unshare", "--mount", "--map-root-user", "true").returncode:
        pytest.skip("this machine does not let us mount a small disk")
    script = (
        "cp -a artifacts ../kept && mount -t tmpfs -o size=64m tmpfs artifacts && cp -a ../kept/. artifacts/ && "
        "(cat /dev/zero > artifacts/full || true) 2> /dev/null && rm -rf .lightloop/training && "
        f"lightloop {stage}"
    )
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
    done = run_small(copy.root, *LOOSE)
    assert "against v0.1.0" in done.stdout
    checks = {check["name"]: check for check in read_json(copy.gate)["checks"]}
    assert checks["champion"]["passed"], "a model is not worse than itself"
    assert checks["champion"]["figures"]["value"] == 0
    run_small(copy.root, *LOOSE, "trainer.max_epochs=3", "network.dropout=0.2")
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
