"""A project with two releases, the first in production: made once, copied by each test."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from registry_world import git, make_world
from services import make_release

from lightloop.deploy.local import running
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.release.registry import promote, register


@pytest.fixture(scope="session")
def two_releases(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """v0.1.0 in production, v0.2.0 registered. Not to be changed."""
    project = make_world(tmp_path_factory.mktemp("deploy") / "world")
    (project.root / "configs").mkdir()
    (project.root / "configs" / "nothing.yaml").write_text("")
    (project.root / ".gitignore").write_text("/data\n/.lightloop/\n")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "configs")
    make_release(project, 5)
    project.reports.mkdir()
    project.model_card.write_text(f"# The model of bundle {read_json(project.gate)['bundle_digest']}\n")
    register(project, commit=True)
    promote(project, stage="production")
    make_release(project, 2, champion={"version": "v0.1.0"})
    register(project, commit=True)
    return project


@pytest.fixture
def world(two_releases: Project, tmp_path: Path) -> Iterator[Project]:
    """The same, to be changed at will; what it serves is ended after the test."""
    shutil.copytree(two_releases.root, tmp_path / "world")
    project = Project(tmp_path / "world")
    yield project
    named = running(project)
    for process in _service_processes(project, named.pid if named else None):
        with suppress(psutil.Error):
            process.kill()
            process.wait(10)


def _service_processes(project: Project, pid: int | None) -> list[psutil.Process]:
    """All processes of services of a project, also such that nothing names any more."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            words = process.cmdline()
            if process.pid == pid or ("lightloop.deploy.process" in words and str(project.root) in " ".join(words)):
                found += [process, *process.children(recursive=True)]
    return found
