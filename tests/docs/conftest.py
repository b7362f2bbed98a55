"""The site, built once."""

from pathlib import Path

import pytest
from site_builds import build
from small_project import REPOSITORY


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    out = tmp_path_factory.mktemp("site")
    done = build(REPOSITORY / "docs", out)
    assert done.returncode == 0, done.stderr
    return out
