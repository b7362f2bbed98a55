"""A bundle of each modality, made when it is asked for; one browser."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from browsing import Running, Visit, serving, visiting
from playwright.sync_api import Browser
from small_bundles import SMALL, small_bundle

Bundles = Callable[[str], Path]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """By the name of the experiment."""
    return cache(lambda name: small_bundle(name, tmp_path_factory.mktemp(name) / "project"))


@pytest.fixture(scope="module", params=list(SMALL))
def service(request: pytest.FixtureRequest, bundles: Bundles) -> Iterator[Running]:
    with serving(bundles(request.param)) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, service: Running) -> Iterator[Visit]:
    with visiting(browser, service) as visit:
        yield visit.open()
