"""300 real images, to be read only."""

import pytest
from small_project import make_project

from lightloop.project import Project


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("images") / "project")
