"""Releases of every kind of record, opened once."""

import pytest
from http_world import load_all

from lightloop.service.loaded import Loaded


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Loaded]:
    """By kind of record; to be asked only."""
    return load_all(tmp_path_factory.mktemp("tiny"))
