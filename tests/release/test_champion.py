"""Fetching the champion: right, whole, once, and only from a clone in which the registry can be read."""

import shutil
from pathlib import Path

import pytest
from registry_world import clone, git

from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.release import champion as champion_module
from lightloop.release.champion import write_champion
from lightloop.release.registry import promote
from lightloop.serving.manifest import verify_bundle
from lightloop.serving.predictor import Predictor


@pytest.fixture(scope="module")
def fetched(released: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone that has fetched the champion. Copied by each test."""
    project = clone(released, tmp_path_factory.mktemp("fetched") / "clone")
    assert write_champion(project) == "v0.1.0"
    return project


@pytest.fixture
def cloned(fetched: Project, tmp_path: Path) -> Project:
    shutil.copytree(fetched.root, tmp_path / "clone")
    return Project(tmp_path / "clone")


def forbid_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise LightloopError("DVC was asked")

    monkeypatch.setattr(champion_module, "fetch_bundle", fail)


def test_fresh_clone_gets_the_bundle_that_was_judged(released: Project, fetched: Project) -> None:
    commit = git(released.root, "rev-parse", "model@v0.1.0^{commit}").strip()
    assert read_json(fetched.champion) == {"version": "v0.1.0", "tag": "model@v0.1.0", "commit": commit}
    assert verify_bundle(fetched.champion_bundle) == read_json(fetched.gate)["bundle_digest"]
    assert Predictor.load(fetched.champion_bundle).classes == Predictor.load(released.bundle).classes
    assert git(fetched.root, "status", "--short") == ""


def test_second_call_asks_neither_gto_nor_dvc(cloned: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LightloopError("GTO was asked")

    forbid_fetching(monkeypatch)
    monkeypatch.setattr(champion_module, "production", fail)
    before = cloned.champion.stat().st_mtime_ns
    assert write_champion(cloned) == "v0.1.0"
    assert cloned.champion.stat().st_mtime_ns == before


def test_new_tags_that_leave_the_champion_fetch_nothing(cloned: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_fetching(monkeypatch)
    promote(cloned, stage="staging", version="v0.1.0")
    assert write_champion(cloned) == "v0.1.0"


@pytest.mark.parametrize("damage", ["changed", "removed", "extra"])
def test_a_damaged_bundle_is_fetched_again(cloned: Project, damage: str) -> None:
    graph = cloned.champion_bundle / "model.onnx"
    match damage:
        case "changed":
            graph.write_bytes(b"else")
        case "removed":
            shutil.rmtree(cloned.champion_bundle)
        case "extra":
            (cloned.champion_bundle / "notes.txt").write_text("mine")
    write_champion(cloned)
    assert verify_bundle(cloned.champion_bundle) == read_json(cloned.gate)["bundle_digest"]


def test_a_bundle_that_can_not_be_fetched_leaves_the_earlier_one(cloned: Project) -> None:
    """Unreachable remote: one sentence, and nothing half done."""
    before = {path: path.read_bytes() for path in cloned.champion.parent.rglob("*") if path.is_file()}
    (cloned.champion.parent / "fetched.json").unlink()
    shutil.rmtree(cloned.root / "storage")
    shutil.rmtree(cloned.root / ".dvc" / "cache", ignore_errors=True)
    with pytest.raises(LightloopError, match=r"the champion v0\.1\.0 can't be fetched .*must be in the DVC remote"):
        write_champion(cloned)
    left = {path: path.read_bytes() for path in cloned.champion.parent.rglob("*") if path.is_file()}
    assert left == {path: content for path, content in before.items() if path.name != "fetched.json"}


def test_another_bundle_than_the_judged_one_is_refused(cloned: Project) -> None:
    """The tag's gate.json says another digest than what lies in the remote."""
    from gto import api

    write_json(cloned.gate, read_json(cloned.gate) | {"bundle_digest": "0" * 64})
    git(cloned.root, "commit", "-qam", "forged")
    api.register(cloned.root, "model", "HEAD", version="v0.2.0", message="forged")
    promote(cloned, stage="production", version="v0.2.0", force=True)
    with pytest.raises(LightloopError, match="is not the one that the gate judged"):
        write_champion(cloned)
    assert read_json(cloned.champion)["version"] == "v0.1.0"


def test_without_tags_there_is_no_champion(released: Project, tmp_path: Path) -> None:
    project = Project(tmp_path)
    git(tmp_path, "init", "-q")
    assert write_champion(project) is None
    assert read_json(project.champion) == {"version": None}


def test_a_champion_that_is_gone_is_removed(cloned: Project) -> None:
    git(cloned.root, "tag", "--delete", "model#production#1")
    assert write_champion(cloned) is None
    assert read_json(cloned.champion) == {"version": None}
    assert not cloned.champion_bundle.exists()


def test_shallow_clone_is_refused_and_the_advice_helps(released: Project, tmp_path: Path) -> None:
    shallow = clone(released, tmp_path / "shallow", "--depth", "1")
    with pytest.raises(UsageError, match=r"shallow clone, .* run `git fetch --unshallow --tags`"):
        write_champion(shallow)
    assert not shallow.champion.exists()
    git(shallow.root, "fetch", "-q", "--unshallow", "--tags")
    assert write_champion(shallow) == "v0.1.0"


def test_clone_without_tags_is_refused_and_the_advice_helps(released: Project, tmp_path: Path) -> None:
    bare = clone(released, tmp_path / "bare", "--no-tags")
    with pytest.raises(
        UsageError, match=r"without tags, .* run `git config --unset remote.origin.tagopt && git fetch --tags`"
    ):
        write_champion(bare)
    git(bare.root, "config", "--unset", "remote.origin.tagopt")
    git(bare.root, "fetch", "-q", "--tags")
    assert write_champion(bare) == "v0.1.0"


def test_no_git_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a git repository, but the registry lives in git tags"):
        write_champion(Project(tmp_path))
