"""Repositories of the registry's tests: made once, cloned or copied by each test."""

import shutil
from pathlib import Path

import pytest
from registry_world import make_world

from lightloop.project import Project
from lightloop.release.registry import promote, register


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A first model, as `lightloop run` leaves it: nothing committed, nothing registered. Not to be changed."""
    return make_world(tmp_path_factory.mktemp("first") / "world")


@pytest.fixture(scope="session")
def released(first: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with v0.1.0 in production. Not to be changed."""
    root = tmp_path_factory.mktemp("released") / "world"
    shutil.copytree(first.root, root)
    register(Project(root), commit=True)
    promote(Project(root), stage="production")
    return Project(root)


@pytest.fixture
def world(first: Project, tmp_path: Path) -> Project:
    """`first`, to be changed at will."""
    shutil.copytree(first.root, tmp_path / "world")
    return Project(tmp_path / "world")


@pytest.fixture
def running(released: Project, tmp_path: Path) -> Project:
    """`released`, to be changed at will."""
    shutil.copytree(released.root, tmp_path / "running")
    return Project(tmp_path / "running")
