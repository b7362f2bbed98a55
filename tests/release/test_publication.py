"""Registering: what must be true of the tree, the bundle, the remote and the clone before a version gets its name."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registry_world import clone, dvc, git, replace_bundle, tags

from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.release.history import releases
from lightloop.release.publication import keep_card, outdated
from lightloop.release.registry import promote, register, rollback


def change_code(project: Project) -> None:
    (project.root / "dvc.yaml").write_text((project.root / "dvc.yaml").read_text() + "# changed\n")


def add_note(project: Project) -> None:
    (project.root / "note.txt").write_text("mine")


def change_bundle(project: Project) -> None:
    (project.bundle / "model.onnx").write_bytes(b"else")


def judge_another(project: Project) -> None:
    write_json(project.gate, read_json(project.gate) | {"bundle_digest": "0" * 64})


def lose(*names: str) -> Callable[[Project], None]:
    def remove(project: Project) -> None:
        for name in names:
            path = project.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (change_code, {"commit": True}, r"dvc\.yaml is not committed: commit or stash that first"),
        (add_note, {"commit": True}, r"note\.txt is not committed: commit or stash"),
        (add_note, {}, r"note\.txt is not committed: commit or stash"),
        (lambda _: None, {}, r"outputs of the loop are not committed \(artifacts.*\): register with `--commit`"),
        (change_bundle, {"commit": True}, r"model\.onnx is changed in the bundle"),
        (judge_another, {"commit": True}, "the gate judged another bundle than the one that lies there"),
        (lose("artifacts/gate.json"), {"commit": True}, r"gate\.json is missing: run `lightloop run`"),
        (lose("artifacts/bundle"), {"commit": True}, r"bundle is missing: run `lightloop run`"),
        (lambda _: None, {"commit": True, "version": "1.2"}, r"v1\.2 is no version: expected three numbers"),
        (
            lambda _: None,
            {"commit": True, "bump": "minr"},
            r"bump is 'minr': did you mean 'minor'\?; expected major, minor, patch",
        ),
    ],
)
def test_register_refuses(world: Project, change: Any, options: dict[str, Any], sentence: str) -> None:
    change(world)
    if options.get("bump"):
        git(world.root, "tag", "-a", "-m", "x", "model@v0.0.1")
    head = git(world.root, "rev-parse", "HEAD")
    with pytest.raises(LightloopError, match=sentence):
        register(world, **options)
    assert "model@v0.1.0" not in tags(world.root)
    assert git(world.root, "rev-parse", "HEAD") == head


def test_register_refuses_a_pipeline_that_is_not_up_to_date(world: Project) -> None:
    (world.root / "source" / "bundle.json").write_text("{}")
    git(world.root, "commit", "-qam", "code that made no bundle yet")
    with pytest.raises(UsageError, match=r"the pipeline is not up to date \(export\): run `lightloop run`"):
        register(world, commit=True)


def test_register_without_commit_refuses_when_dvc_makes_new_files(world: Project) -> None:
    git(world.root, "add", "-A")
    git(world.root, "commit", "-qm", "outputs, but what DVC holds of them is not pushed")
    with pytest.raises(
        UsageError, match=r"`dvc push` made files that must be in git \(storage/.*\): register with `--com"
    ):
        register(world)
    assert tags(world.root) == []


def test_register_without_commit_takes_a_clean_tree(world: Project) -> None:
    dvc(world.root, "push", "--quiet", "artifacts/bundle", "data.dvc")
    git(world.root, "add", "-A")
    git(world.root, "commit", "-qm", "everything")
    head = git(world.root, "rev-parse", "HEAD").strip()
    assert register(world, version="2.0.0").commit == head
    assert tags(world.root) == ["model@v2.0.0"]


def test_register_refuses_an_unreachable_remote(world: Project) -> None:
    (world.root / "blocked").write_text("a file, where the remote's folder should be")
    config = world.root / ".dvc" / "config"
    config.write_text(config.read_text().replace("../storage", "../blocked/storage"))
    git(world.root, "add", "blocked", ".dvc/config")
    git(world.root, "commit", "-qm", "a remote that is not there")
    with pytest.raises(LightloopError, match=r"could not be pushed to the DVC remote, .*; no tag was made"):
        register(world, commit=True)
    assert tags(world.root) == []


def test_the_same_bundle_is_not_registered_twice(running: Project) -> None:
    with pytest.raises(UsageError, match=r"this bundle is registered already, as v0\.1\.0: promote that one"):
        register(running, commit=True)


def test_a_version_that_exists_is_refused_whatever_made_it(running: Project) -> None:
    replace_bundle(running)
    git(running.root, "tag", "model@v0.3.0")  # Lightweight: GTO does not count it, but git would refuse its name.
    for version in ("v0.1.0", "0.3.0"):
        with pytest.raises(UsageError, match=rf"{version.lstrip('v')} exists already: the highest is v0\.3\.0"):
            register(running, commit=True, version=version)


def test_a_commit_that_no_branch_would_hold_is_refused(world: Project) -> None:
    git(world.root, "checkout", "-q", "--detach")
    with pytest.raises(UsageError, match=r"no branch is checked out, .* `git switch` to one first"):
        register(world, commit=True)


@pytest.mark.parametrize("key", ["name", "email"])
def test_nobody_is_no_author(world: Project, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.delenv(f"GIT_COMMITTER_{key.upper()}")
    with pytest.raises(UsageError, match=f"git does not know your {key}, .* `git config --global user.{key}"):
        register(world, commit=True)


def test_identity_of_the_repository_is_enough(running: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("NAME", "EMAIL"):
        monkeypatch.delenv(f"GIT_COMMITTER_{key}")
    git(running.root, "config", "user.name", "Ada")
    git(running.root, "config", "user.email", "ada@example.invalid")
    promote(running, stage="staging")
    assert git(running.root, "for-each-ref", "--format=%(taggername)", "refs/tags/model#staging#*").strip() == "Ada"


def test_a_repository_without_commits_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(UsageError, match="has no commit yet"):
        register(Project(tmp_path))


@pytest.mark.parametrize("act", [register, releases, rollback, lambda project: promote(project, stage="production")])
def test_no_repository_is_refused(tmp_path: Path, act: Any) -> None:
    with pytest.raises(UsageError, match="is not a git repository"):
        act(Project(tmp_path))


@pytest.mark.parametrize("option", ["--depth=1", "--no-tags"])
@pytest.mark.parametrize("act", [register, releases, rollback, lambda project: promote(project, stage="production")])
def test_a_clone_that_may_lack_tags_is_refused(released: Project, tmp_path: Path, option: str, act: Any) -> None:
    partial = clone(released, tmp_path / "partial", option)
    with pytest.raises(UsageError, match=r"(shallow clone|made without tags), .* run `git"):
        act(partial)


def test_the_card_of_the_bundle_goes_along_and_no_other(tmp_path: Path) -> None:
    project = Project(tmp_path)
    keep_card(project, "abc")
    assert not project.released_card.exists()
    project.reports.mkdir()
    project.model_card.write_text("the bundle with the digest abc")
    keep_card(project, "abc")
    assert project.released_card.read_text() == "the bundle with the digest abc"
    keep_card(project, "def")
    assert not project.released_card.exists()


def test_what_is_not_in_the_cache_is_a_change_where_another_file_lies_there(released: Project, tmp_path: Path) -> None:
    fresh = clone(released, tmp_path / "fresh")

    def said() -> str:
        return dvc(fresh.root, "status", "--with-deps", "--json", "gate")

    # Neither the file nor the cache's copy of it is here.
    assert "not in cache" in said()
    assert outdated(fresh) == []
    fresh.bundle.mkdir(parents=True)
    (fresh.bundle / "model.onnx").write_bytes(b"of somebody else")
    assert outdated(fresh) != []
    shutil.rmtree(fresh.bundle)
    assert outdated(fresh) == []
    # Here the cache has it, and the file is gone.
    dvc(fresh.root, "pull", "--quiet", "artifacts/bundle")
    shutil.rmtree(fresh.bundle)
    assert "deleted" in said()
    assert outdated(fresh) == []
