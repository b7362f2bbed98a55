"""The service without processes: applications over tiny bundles, and a client that asks them."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from tiny_bundles import KINDS, grey, tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.slots import Slots


def tensor(name: str, datatype: str, data: list[Any], *shape: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape) or [len(data)], "data": data}


# The same records, as tensors of the Open Inference Protocol and as the plain interface takes them.
INPUTS: dict[str, list[dict[str, Any]]] = {
    "tabular": [
        tensor("the age", "FP32", [20, 80.0], 2, 1),
        tensor("class", "BYTES", ["Oslo", "Paris"]),
    ],
    "image": [tensor("image", "BYTES", [base64.b64encode(grey(level)).decode() for level in (60, 200)], 2, 1)],
    "text": [tensor("text", "BYTES", ["one two three four five", "one"])],
    "series": [
        tensor("load", "FP32", [[1, 2, 3, 4], [0, 0, 0, 1]], 2, 4),
        tensor("day", "BYTES", ["2026-01-04", "2026-01-05"]),
    ],
    "noise": [tensor("noise", "FP32", [0, 1, 2, 3, 1, 1, 1, 1], 2, 4)],
}
RECORDS: dict[str, list[dict[str, Any]]] = {
    "tabular": [{"the age": 20, "class": "Oslo"}, {"the age": 80, "class": "Paris"}],
    "image": [{"image": base64.b64encode(grey(level)).decode()} for level in (60, 200)],
    "text": [{"text": "one two three four five"}, {"text": "one"}],
    "series": [{"load": [1, 2, 3, 4], "day": "2026-01-04"}, {"load": [0, 0, 0, 1], "day": "2026-01-05"}],
    "noise": [{"noise": [0, 1, 2, 3]}, {"noise": [1, 1, 1, 1]}],
}


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
