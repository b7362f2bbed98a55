"""The service without processes: applications over tiny bundles, and a client that asks them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from tiny_bundles import KINDS, tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.slots import Slots


def load_all(root: Path) -> dict[str, Loaded]:
    """A release of every kind of record."""
    return {kind: Loaded.open(tiny_bundle(kind, root / kind), "v1.0.0") for kind in KINDS}


@contextmanager
def client_of(loaded: Loaded | Slots, root: Path, **settings: Any) -> Iterator[TestClient]:
    """A client of the service of one release; with `raise_server_exceptions`, so that no fault of ours is hidden."""
    slots = loaded if isinstance(loaded, Slots) else Slots(loaded)
    with TestClient(build_app(slots, ServeConfig(**({"logs": "none"} | settings)), root)) as client:
        yield client


def example(loaded: Loaded) -> dict[str, Any]:
    """A record that the release answers."""
    return dict(loaded.models.examples[0])
