"""A project on which nothing is broken, to be broken one thing at a time."""

import shutil
from pathlib import Path

import pytest
from loop_world import must
from small_project import REPOSITORY

from lightloop.project import Project

DVC = "[core]\n    remote = embedded\n['remote \"embedded\"']\n    url = ../storage\n    verify = true\n"


@pytest.fixture
def well(tmp_path: Path) -> Project:
    """Configs, pipeline, lock and DVC's settings, all committed."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    for name in ("dvc.yaml", "params.yaml", "pyproject.toml", "requirements.lock", ".gto", ".gitignore"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text(DVC)
    (root / "storage").mkdir()
    (root / "storage/README").write_text("objects\n")
    must(root, "git", "init", "-q", "-b", "main")
    must(root, "git", "add", "-A")
    must(root, "git", "commit", "-qm", "start")
    return Project(root)
