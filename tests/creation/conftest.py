"""What a new piece is written into: configs, pipeline and page of the repository, without data or code."""

import shutil
from pathlib import Path

import pytest
from small_project import REPOSITORY

from lightloop.project import Project


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    for name in ("dvc.yaml", "params.yaml", "pyproject.toml", ".gto"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / "docs").mkdir()
    shutil.copy(REPOSITORY / "docs/components.md", root / "docs/components.md")
    return Project(root)
