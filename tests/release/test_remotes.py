"""Another DVC remote: everything goes there first, and no secret is written."""

import os
import shutil
from pathlib import Path

import pytest
from registry_world import clone, dvc, git, make_model, make_world
from s3_world import bucket, objects

from lightloop.deploy.released import fetched, production_release
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release import registry
from lightloop.release.remotes import checked, present_remote, rights, set_remote


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("s3://key:secret@bucket/x", "holds a user, a password or a key"),
        ("s3://bucket/x?token=abc", "holds a user, a password or a key"),
        ("ssh://me:word@host/x", "holds a user, a password or a key"),
        ("ftp://host/x", "is no kind of remote: say s3://"),
        ("s3:///x", "names no bucket or host"),
        ("gs://bucket/x", "needs the package dvc-gs: `uv pip install dvc-gs`"),
    ],
)
def test_an_address_is_checked_first(address: str, says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("?", r"\?")) as caught:
        checked(address)
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)


def test_rights_are_told_for_every_kind() -> None:
    assert "demo/x/*" in rights("s3://demo/x")
    assert "workload identity" in rights("gs://demo")
    assert "agent" in rights("ssh://me@host/x")
    assert "same path" in rights("/mnt/models")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two releases, the older one in production, in the embedded remote; the cache is empty, as in a fresh clone."""
    made = make_world(tmp_path / "made")
    registry.register(made, version=None, bump="minor", commit=True)
    registry.promote(made, stage="production", version=None, force=False)
    make_model(made, 2)
    registry.register(made, version=None, bump="minor", commit=True)
    return clone(made, tmp_path / "clone")


@pytest.mark.slow
def test_a_folder_takes_all_releases(project: Project, tmp_path: Path) -> None:
    made = set_remote(project, str(tmp_path / "shared"))
    assert (made.name, made.releases, made.missing) == ("shared", 2, 0)
    assert git(project.root, "status", "--porcelain") == " M .dvc/config\n"
    assert not (project.root / ".dvc/config.local").read_text().strip()
    git(project.root, "commit", "-qam", "remote")
    # Without the embedded one, and without a cache.
    fresh = clone(project, tmp_path / "fresh")
    shutil.rmtree(fresh.root / "storage")
    for tag in ("model@v0.1.0", "HEAD"):
        dvc(fresh.root, "fetch", "--quiet", "data.dvc", "artifacts/bundle", *(["--all-tags"] if tag != "HEAD" else []))
    assert present_remote(fresh).missing == 0


@pytest.mark.slow
def test_what_is_missing_is_seen(project: Project, tmp_path: Path) -> None:
    set_remote(project, str(tmp_path / "shared"))
    assert present_remote(project).missing == 0
    next(one for one in (tmp_path / "shared").rglob("*.dir")).unlink()
    assert present_remote(project).missing > 0


@pytest.mark.slow
def test_a_release_that_is_lost_stops_the_move(project: Project, tmp_path: Path) -> None:
    shutil.rmtree(project.root / "storage")
    before = (project.root / ".dvc/config").read_bytes()
    with pytest.raises(LightloopError, match="objects are neither there nor here"):
        set_remote(project, str(tmp_path / "shared"))
    assert (project.root / ".dvc/config").read_bytes() == before
    assert not (project.root / ".dvc/config.local").read_text().strip()


@pytest.mark.slow
def test_a_fresh_clone_serves_from_s3(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket(monkeypatch) as address:
        set_remote(project, f"{address}/demo")
        assert objects(address)
        written = (project.root / ".dvc/config").read_text()
        assert "s3://models/demo" in written
        for secret in ("a-key", "a-secret", os.environ["AWS_ENDPOINT_URL"]):
            assert secret not in written
        git(project.root, "commit", "-qam", "remote")
        dvc(project.root, "pull", "--quiet")
        make_model(project, 3)
        made = registry.register(project, version=None, bump="minor", commit=True)
        registry.promote(project, stage="production", version=None, force=True)
        # Nothing of it went into the embedded remote.
        assert git(project.root, "diff", "--name-only", "model@v0.2.0", made.tag, "--", "storage") == ""
        fresh = clone(project, tmp_path / "fresh")
        served = fetched(fresh, production_release(fresh))
        assert served.version == "v0.3.0"
        assert (Path(served.folder) / "model.onnx").exists()
        assert present_remote(fresh).missing == 0


@pytest.mark.slow
def test_a_bucket_that_is_not_there_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (project.root / ".dvc/config").read_bytes()
    with bucket(monkeypatch), pytest.raises(LightloopError, match="s3://other/demo could not be filled"):
        set_remote(project, "s3://other/demo")
    assert (project.root / ".dvc/config").read_bytes() == before
