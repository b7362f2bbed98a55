"""What every request gets: an id, a log line without secrets, metrics, bounds of size and time."""

import asyncio
import dataclasses
import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_world import client_of, example
from starlette.testclient import TestClient
from tiny_bundles import NAME, PLAIN, plain_record, secret_record, tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.service import logs
from lightloop.service.app import build_app
from lightloop.service.faults import MEANINGS
from lightloop.service.keys import add_key
from lightloop.service.loaded import Loaded
from lightloop.service.logs import Writer
from lightloop.service.slots import Slots

PREDICT, MANY = "/v1/predict", "/v1/predict/many"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The log lines so far, as the standard error would have them."""
    stream = io.BytesIO()
    writer = Writer(stream)
    monkeypatch.setattr(logs, "standard_error", lambda: writer)

    def read() -> list[str]:
        writer.flush()
        return stream.getvalue().decode().splitlines()

    return read


def test_request_ids_come_back_or_are_made(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(releases[PLAIN], tmp_path) as client:
        assert client.get("/health/live", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
        made = {client.get("/health/live").headers["x-request-id"] for _ in range(3)}
        assert len(made) == 3
        for given in ("two words", "x" * 129, 'quote"', "semi;colon"):
            assert len(client.get("/nothing", headers={"x-request-id": given}).headers["x-request-id"]) == 32


def test_lines_hold_ids_and_no_bodies_or_keys(releases: dict[str, Loaded], tmp_path: Path, written: Any) -> None:
    kept, secret = add_key(tmp_path / "keys.json", "someone")
    with client_of(releases[PLAIN], tmp_path, logs="json", keys="keys.json") as client:
        body = secret_record()
        done = client.post(f"{PREDICT}?q=hidden", json=body, headers={"x-api-key": secret, "x-request-id": "r1"})
        client.post(PREDICT, json=body, headers={"x-api-key": "ll_wrong"})
        client.post(PREDICT, content=b'{"very secret": 1}', headers={"authorization": f"Bearer {secret}"})
        client.get("/health/live")
    lines = [json.loads(line) for line in written()]
    assert [line["status"] for line in lines] == [200, 401, 422]
    first = lines[0]
    assert first.keys() == {
        "time",
        "level",
        "event",
        "request_id",
        "method",
        "path",
        "status",
        "ms",
        "key",
        "version",
        "prediction_id",
    }
    assert (first["request_id"], first["key"], first["version"]) == ("r1", kept.id, "v1.0.0")
    assert first["prediction_id"] == done.json()["prediction_id"]
    text = "".join(written())
    for secret_word in (
        secret,
        secret.rpartition("_")[2],
        "ll_wrong",
        "very secret",
        "hidden",
        *map(str, body.values()),
    ):
        assert secret_word not in text


def test_lines_as_text_are_one_line_each(releases: dict[str, Loaded], tmp_path: Path, written: Any) -> None:
    with client_of(releases[PLAIN], tmp_path, logs="text") as client:
        client.get("/a%0Afaked line")
    (line,) = written()
    assert "info" in line
    assert "status=404" in line


def test_lines_are_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[bytes] = []

    class Kept(io.BytesIO):
        def write(self, content: Any) -> int:
            blocks.append(bytes(content))
            # As a pipe does that takes only some of a large block.
            return min(len(content), 5000)

    writer = Writer(Kept())
    lines = [b"x" * length for length in (10, 4000, 90, 3000, 6000, 1, 2)]
    for line in lines:
        writer.msg(line)
    writer.flush()
    assert all(block.endswith(b"\n") for block in blocks)
    assert b"".join(block[:5000] for block in blocks).split(b"\n")[:-1] == lines


def test_a_writer_that_is_not_read_from_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    go, waits = threading.Event(), threading.Event()

    class Stuck(io.BytesIO):
        def write(self, content: Any) -> int:
            waits.set()
            go.wait()
            return super().write(content)

    monkeypatch.setattr(logs, "GATHER", 0.0)
    stream = Stuck()
    writer = Writer(stream)
    writer.msg(b'"first"')
    assert waits.wait(10)
    start = time.monotonic()
    for _ in range(2 * logs.WAITING):
        writer.msg(b'"more"')
    assert time.monotonic() - start < 5
    go.set()
    writer.flush()
    lines = stream.getvalue().decode().splitlines()
    left_out = [json.loads(line)["count"] for line in lines if "left out" in line]
    assert len(lines) - len(left_out) + sum(left_out) == 2 * logs.WAITING + 1
    assert sum(left_out) >= logs.WAITING - 1


def test_metrics_count_what_was_answered(releases: dict[str, Loaded], tmp_path: Path) -> None:
    def figures(client: TestClient) -> dict[str, float]:
        done = client.get("/metrics")
        assert done.headers["content-type"].startswith("text/plain; version=")
        rows = [line.rpartition(" ") for line in done.text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in rows}

    with client_of(releases["tabular"], tmp_path) as client:
        before = figures(client)
        client.post(PREDICT, json={"the age": 20})
        client.post(MANY, json={"records": [{"the age": 300}, {"the age": 50, "class": "Rome"}]})
        client.post(PREDICT, json={"the age": "x"})
        client.get("/not/counted/by/name")
        after = figures(client)

    def grew(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    assert grew('lightloop_requests_total{path="/v1/predict",status="200"}') == 1
    assert grew('lightloop_requests_total{path="/v1/predict",status="422"}') == 1
    assert grew('lightloop_requests_total{path="/v1/predict/many",status="200"}') == 1
    assert grew('lightloop_requests_total{path="other",status="404"}') == 1
    assert grew('lightloop_request_seconds_count{path="/v1/predict"}') == 2
    assert grew('lightloop_predictions_total{answer="yes",version="v1.0.0"}') == 1
    assert grew('lightloop_predictions_total{answer="no",version="v1.0.0"}') == 2
    assert grew('lightloop_warned_records_total{version="v1.0.0"}') == 1
    assert grew('lightloop_abstentions_total{version="v1.0.0"}') == 1
    assert after["lightloop_requests_in_hand"] == 0


def test_bodies_that_are_too_large(releases: dict[str, Loaded], tmp_path: Path) -> None:
    loaded = releases[PLAIN]
    with client_of(loaded, tmp_path, max_body_bytes=1000, max_records=3) as client:
        large = json.dumps({"padding": "x" * 2000})
        for content in (large, iter([large[:900].encode(), large[900:].encode()])):
            done = client.post(PREDICT, content=content, headers={"content-type": "application/json"})
            assert done.status_code == 413
            assert done.json() == {"error": "the body is larger than 1000 bytes: send fewer records at once"}
        done = client.post(PREDICT, content=b"{}", headers={"content-length": "-5"})
        assert done.status_code == 413
        assert client.post(PREDICT, json=example(loaded)).status_code == 200


def test_more_records_than_allowed(tmp_path: Path) -> None:
    loaded = Loaded.open(tiny_bundle(PLAIN, tmp_path / "bundle"), most=3)
    assert loaded.version == loaded.digest[:12]
    with client_of(loaded, tmp_path, max_records=3) as client:
        assert client.post(MANY, json={"records": [plain_record()] * 3}).status_code == 200
        done = client.post(MANY, json={"records": [plain_record()] * 4})
    assert (done.status_code, done.json()) == (422, {"error": "'records': expected at most 3, but 4 came"})


def call(app: Any, *messages: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...] = ()) -> tuple[int, Any]:
    """Ask an application by hand; after the last message the client sends nothing more."""
    sent: list[dict[str, Any]] = []
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": PREDICT,
        "raw_path": PREDICT.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *headers],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("service", 80),
        "client": ("client", 1),
        "root_path": "",
        "asgi": {"version": "3.0"},
    }
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    return sent[0]["status"], (dict(sent[0]["headers"]), json.loads(sent[1]["body"] or b"{}"))


def test_a_slow_client_is_told_and_let_go(releases: dict[str, Loaded], tmp_path: Path) -> None:
    app = build_app(Slots(releases[PLAIN]), ServeConfig(deadline=0.05, logs="none"), tmp_path)
    for first in ((), ({"type": "http.request", "body": b'{"te', "more_body": True},)):
        status, (headers, answer) = call(app, *first)
        assert (status, answer) == (408, {"error": MEANINGS[408]})
        assert headers[b"connection"] == b"close"


def test_a_client_that_goes_away_is_no_fault(releases: dict[str, Loaded], tmp_path: Path, written: Any) -> None:
    app = build_app(Slots(releases[PLAIN]), ServeConfig(logs="json"), tmp_path)
    start = {"type": "http.request", "body": b'{"te', "more_body": True}
    status, _ = call(app, start, {"type": "http.disconnect"})
    assert status == 499
    (line,) = [json.loads(line) for line in written()]
    assert (line["level"], line["status"]) == ("info", 499)


def test_too_many_at_once_are_told_to_come_back(releases: dict[str, Loaded], tmp_path: Path) -> None:
    app = build_app(Slots(releases[PLAIN]), ServeConfig(queue=5, logs="none"), tmp_path)

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            return await asyncio.gather(*(client.post(PREDICT, json=plain_record()) for _ in range(40)))

    answers = asyncio.run(ask())
    statuses = [done.status_code for done in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 5
    refused = next(done for done in answers if done.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"error": MEANINGS[429]}
    # Places are given back.
    assert asyncio.run(ask())[0].status_code == 200


@pytest.mark.parametrize("path", [PREDICT, MANY, "/v1/explain"])
def test_no_answer_by_the_deadline(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def slow(*_: Any, **__: Any) -> Any:
        time.sleep(0.2)
        raise AssertionError

    monkeypatch.setattr("lightloop.service.predict.explain", slow)
    monkeypatch.setattr(Loaded, "several", lambda *_: None)  # the general way
    monkeypatch.setattr(Loaded, "score", slow)
    loaded = releases[PLAIN]
    slots = Slots(dataclasses.replace(loaded, seconds=1.0))
    with client_of(slots, tmp_path, deadline=0.05) as client:
        record = example(loaded)
        done = client.post(path, json={"records": [record]} if path == MANY else record)
        assert client.get("/health/live").status_code == 200
    assert done.status_code == 503
    assert done.json()["error"].startswith("no answer within 0.05 s")
    assert done.headers["retry-after"] == "1"
    assert slots.tallies[loaded.digest].failures == (path != "/v1/explain")


def test_health_answers_while_a_slow_model_works(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, began = threading.Event(), threading.Event()
    score = Loaded.score

    def waiting(self: Loaded, records: Any) -> Any:
        began.set()
        assert go.wait(10)
        return score(self, records)

    monkeypatch.setattr(Loaded, "several", lambda *_: None)  # the general way
    monkeypatch.setattr(Loaded, "score", waiting)
    app = build_app(Slots(dataclasses.replace(releases[PLAIN], seconds=1.0)), ServeConfig(logs="none"), tmp_path)

    async def ask() -> tuple[int, int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            slow = asyncio.create_task(client.post(PREDICT, json=plain_record()))
            while not began.is_set():
                await asyncio.sleep(0.001)
            health = await client.get("/health/ready")
            go.set()
            return health.status_code, (await slow).status_code

    assert asyncio.run(ask()) == (200, 200)


def test_our_own_faults_are_500_and_logged_without_values(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Any
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("a value of the client")

    monkeypatch.setattr(Loaded, "several", lambda *_: None)  # the general way
    monkeypatch.setattr(Loaded, "score", broken)
    slots = Slots(releases[PLAIN])
    with client_of(slots, tmp_path, logs="json") as client:
        done = client.post(PREDICT, json=plain_record(), headers={"x-request-id": "r7"})
    assert (done.status_code, done.json()) == (500, {"error": MEANINGS[500]})
    assert done.headers["x-request-id"] == "r7"
    lines = [json.loads(line) for line in written()]
    assert [line["event"] for line in lines] == ["fault", "request"]
    assert (lines[0]["fault"], lines[0]["request_id"]) == ("ValueError", "r7")
    assert any("test_edge.py" in place for place in lines[0]["places"])
    assert "a value of the client" not in "".join(written())
    assert slots.tallies[releases[PLAIN].digest].failures == 1


def test_ready_says_why_not(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(Slots(releases[PLAIN], trouble=lambda: "worker 2 is dead"), tmp_path) as client:
        done = client.get("/health/ready")
        assert (done.status_code, done.json()) == (503, {"error": "worker 2 is dead"})
        assert client.get("/v2/health/ready").status_code == 503
        assert client.get(f"/v2/models/{NAME}/ready").status_code == 503
        assert client.get("/health/live").status_code == 200


def test_no_other_site_may_ask_unless_it_is_named(releases: dict[str, Loaded], tmp_path: Path) -> None:
    asks = {"origin": "https://other.example", "access-control-request-method": "POST"}
    with client_of(releases[PLAIN], tmp_path) as client:
        assert client.options(PREDICT, headers=asks).status_code == 405
        done = client.post(PREDICT, json=plain_record(), headers={"origin": "https://other.example"})
        assert not [name for name in done.headers if name.startswith("access-control")]
    add_key(tmp_path / "keys.json", "someone")
    with client_of(releases[PLAIN], tmp_path, origins=("https://other.example",), keys="keys.json") as client:
        done = client.options(PREDICT, headers=asks)
        assert done.status_code == 200
        assert done.headers["access-control-allow-origin"] == "https://other.example"
        assert client.options(PREDICT, headers=asks | {"origin": "https://third.example"}).status_code == 400
