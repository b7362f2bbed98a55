"""Whatever comes, the answer is a status of our own and one sentence, never a fault of ours."""

import json
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
from http_world import client_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.config import GenerationConfig
from starlette.testclient import TestClient
from tiny_bundles import KINDS, grey

from lightloop.service.loaded import Loaded

Clients = dict[str, TestClient]
QUIET = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": (Phase.generate,),
    "suppress_health_check": list(HealthCheck),
}
PATHS = ("/v1/predict", "/v1/predict/many", "/v1/explain", "/v1/feedback", "infer")
KEYS = ("the age", "income €/a", "class", "image", "text", "load", "day", "noise", "records", "inputs", "label", "data")
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -0.0, 1e38, 3.5e38, 5e-324, 2**53 + 1]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20), st.sampled_from(["Oslo", "2026-01-05"]))
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def clients(releases: dict[str, Loaded], tmp_path_factory: pytest.TempPathFactory) -> Any:
    with ExitStack() as stack:
        root = tmp_path_factory.mktemp("root")
        yield {kind: stack.enter_context(client_of(one, root)) for kind, one in releases.items()}


def fine(done: Any) -> None:
    """Answered, or refused by one sentence."""
    assert done.status_code < 500, (done.status_code, done.text)
    if done.status_code != 200:
        assert list(done.json()) == ["error"]
        assert "\n" not in done.json()["error"]
        assert len(done.json()["error"]) < 600


def ask(clients: Clients, kind: str, path: str, content: bytes) -> Any:
    address = f"/v2/models/tiny-{kind}/infer" if path == "infer" else path
    return clients[kind].post(address, content=content, headers={"content-type": "application/json"})


@pytest.mark.parametrize("path", PATHS)
@given(kind=st.sampled_from(KINDS), content=JSON)
@settings(max_examples=40, **QUIET)  # type: ignore[arg-type]
def test_any_json(clients: Clients, kind: str, path: str, content: Any) -> None:
    # NaN and Infinity are written as such, which is no JSON, and surrogates as escapes.
    fine(ask(clients, kind, path, json.dumps(content).encode()))


@pytest.mark.parametrize("path", PATHS)
@given(kind=st.sampled_from(KINDS), content=st.binary(max_size=100))
@settings(max_examples=20, **QUIET)  # type: ignore[arg-type]
def test_any_bytes(clients: Clients, kind: str, path: str, content: bytes) -> None:
    fine(ask(clients, kind, path, content))


@given(kind=st.sampled_from(KINDS), data=st.data())
@settings(max_examples=60, **QUIET)  # type: ignore[arg-type]
def test_records_with_one_thing_wrong(clients: Clients, releases: dict[str, Loaded], kind: str, data: Any) -> None:
    record = dict(releases[kind].models.examples[0])
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(JSON)
    fine(ask(clients, kind, "/v1/predict", json.dumps(record).encode()))


@given(content=st.binary(max_size=200), cut=st.integers(0, 80), place=st.integers(0, 79))
@settings(max_examples=60, **QUIET)  # type: ignore[arg-type]
def test_images_that_are_damaged(clients: Clients, content: bytes, cut: int, place: int) -> None:
    file = bytearray(grey(90)[:cut] + content)
    if place < len(file):
        file[place] ^= 0x55
    fine(clients["image"].post("/v1/predict", content=bytes(file), headers={"content-type": "image/png"}))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_schemathesis(clients: Clients, kind: str) -> None:
    """Requests made from the description, good and bad ones: none is answered by a fault of ours."""
    app: Any = clients[kind].app
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    schema.config.generation = GenerationConfig(max_examples=25)
    asked = 0
    for operation in schema.get_all_operations():
        strategy = operation.ok().as_strategy()

        @given(case=strategy)
        @settings(max_examples=25, **QUIET)  # type: ignore[arg-type]
        def run(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=[schemathesis.checks.not_a_server_error])

        run()
    assert asked > 200
