"""A change happens as a whole or not at all, also where it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from adoption_world import changed, empty_project, everything
from registry_world import dvc

from lightloop.errors import LightloopError, UsageError
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.versions import change as module
from lightloop.versions.change import Move, apply, changes_of, recover, require_whole


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return empty_project(tmp_path / "project")


def staged(project: Project, name: str = "data/mine", content: str = "new") -> Move:
    path = project.scratch / "work" / name
    path.mkdir(parents=True)
    (path / "a.txt").write_text(content)
    return Move(path, project.root / name)


def test_it_happens_and_data_dvc_alone_changes_in_git(project: Project):
    version = apply(project, [staged(project)])
    assert (project.root / "data/mine/a.txt").read_text() == "new"
    assert (project.root / "data/other/kept.txt").exists()
    assert changed(project) == [" M data.dvc"]
    assert version == project.data_version()
    assert not (project.scratch / "change").exists()
    again = apply(project, [staged(project, content="newer")])
    assert (project.root / "data/mine/a.txt").read_text() == "newer"
    assert again != version


def test_where_dvc_fails_all_is_as_it_was(project: Project, monkeypatch: pytest.MonkeyPatch):
    before = everything(project.root)
    moves = [staged(project), staged(project, "data/other", "replaced"), staged(project, "fresh/folder")]

    def fail(*_: object) -> str:
        raise LightloopError("`dvc add` failed: no room")

    monkeypatch.setattr(module, "dvc", fail)
    with pytest.raises(LightloopError, match="no room"):
        apply(project, moves)
    assert everything(project.root) == before
    assert not (project.root / "fresh").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from lightloop.project import Project
from lightloop.versions import change
project = Project(Path(sys.argv[1]))
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
change.dvc = die
work = project.scratch / "work"
change.apply(project, [change.Move(work / name, project.root / name) for name in ("data/mine", "data/other")])
"""


@pytest.mark.slow
def test_what_a_kill_left_is_taken_back(project: Project):
    before = everything(project.root)
    staged(project)
    staged(project, "data/other", "replaced")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(project.root)], check=False, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert everything(project.root) != before
    assert recover(project)
    assert everything(project.root) == before
    assert not recover(project)


def test_two_at_once_are_refused(project: Project):
    write_json(project.scratch / "change/journal.json", {"process": os.getppid()})
    with pytest.raises(UsageError, match=rf"process {os.getppid()}.: wait until it is done"):
        apply(project, [])


def test_data_that_are_not_here_are_pulled_before_dvc_records_the_folder(project: Project, tmp_path: Path):
    dvc(project.root, "push", "--quiet", "data.dvc")
    kept = project.root / "data/other/kept.txt"
    kept.unlink()
    require_whole(project)
    assert kept.exists()
    kept.unlink()
    (project.root / "data/other/more.txt").write_text("not recorded yet")
    require_whole(project)
    assert kept.exists()
    assert changes_of(project)["added"] == ["data/other/more.txt"]


def test_data_that_nobody_has_are_said(project: Project):
    (project.root / "data/other/kept.txt").unlink()
    for one in (project.root / ".dvc/cache").rglob("*"):
        if one.is_file():
            one.chmod(0o600)
            one.unlink()
    with pytest.raises(LightloopError, match=r"data/ has 0 of the 1 files that data\.dvc records"):
        require_whole(project)


def test_there_must_be_git_and_dvc(tmp_path: Path):
    with pytest.raises(UsageError, match="no git repository, which DVC needs"):
        require_whole(Project(tmp_path))
    (tmp_path / ".git").mkdir()
    with pytest.raises(UsageError, match="not under DVC: run `dvc init`"):
        require_whole(Project(tmp_path))
