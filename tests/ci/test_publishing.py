"""What hangs on a release, on a forge."""

import io
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rehearsal.forge import Forge

from lightloop.ci.publishing import packed, publish_release
from lightloop.project import Project
from lightloop.release.history import Release


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    for path, text in (
        (made.bundle / "model.onnx", "graph"),
        (made.reports / "index.html", "page"),
        (made.sbom, "{}"),
        (made.gate, "{}"),
        (made.released_card, "# The card"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return made


def released(version: str = "v0.1.0") -> Release:
    now = datetime.now(UTC)
    return Release(version, f"model@{version}", "0" * 40, "a", now, "message", (), "accepted", "d", {})


def push_tag(forge: Forge, tmp_path: Path) -> None:
    from lightloop.release.repository import git

    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "commit", "-q", "--allow-empty", "-m", "start")
    git(root, "tag", "-a", "-m", "first", "model@v0.1.0")
    git(root, "push", "-q", forge.address_for("of-alice"), "main", "model@v0.1.0")


def test_bundle_report_and_evidence_are_attached_once(
    forge: Forge, grant: Callable[..., None], project: Project, tmp_path: Path
) -> None:
    push_tag(forge, tmp_path)
    grant(contents="write")
    publish_release(project, released())
    publish_release(project, released())
    (made,) = forge.releases.values()
    assert (made.tag, made.name, made.body) == ("model@v0.1.0", "v0.1.0", "# The card")
    names = sorted(asset.name for asset in made.assets)
    assert names == ["bundle-v0.1.0.tar.gz", "gate.json", "report-v0.1.0.tar.gz", "sbom.json"]


def test_a_failure_is_warned_of_and_fails_nothing(
    forge: Forge, grant: Callable[..., None], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    grant(contents="read")
    publish_release(project, released())
    assert forge.releases == {}
    assert "v0.1.0 is promoted, but its files are not attached to a release" in capsys.readouterr().out


def test_on_a_laptop_nothing_is_done(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    publish_release(project, released())
    assert capsys.readouterr().out == ""


def test_the_same_files_give_the_same_archive(project: Project) -> None:
    first = packed(project.bundle, "bundle-v0.1.0")
    (project.bundle / "model.onnx").touch()
    assert packed(project.bundle, "bundle-v0.1.0") == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert archive.getnames() == ["bundle-v0.1.0/model.onnx"]
