"""A folder that alerts are sent from."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alerting import Heard, listening

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.project import Project

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def config() -> Config:
    return compose_config(Project(REPOSITORY), ["experiment=loans"])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening() as server:
        yield server
