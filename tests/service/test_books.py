"""What is counted and logged of a request is noted at once and entered later: never twice, never lost, in order."""

import asyncio
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_world import client_of, example
from starlette.testclient import TestClient
from tiny_bundles import PLAIN

from lightloop.config.serve import ServeConfig
from lightloop.service import logs
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.logs import Writer
from lightloop.service.slots import Slots

PREDICT = "/v1/predict"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> tuple[Writer, io.BytesIO]:
    """A writer whose thread takes its time."""
    monkeypatch.setattr(logs, "GATHER", 0.5)
    stream = io.BytesIO()
    writer = Writer(stream)
    monkeypatch.setattr(logs, "standard_error", lambda: writer)
    return writer, stream


def answered(text: str) -> float:
    """How many requests to predict the metrics tell of."""
    name = 'lightloop_requests_total{path="/v1/predict",status="200"} '
    return next((float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)), 0.0)


def test_who_asks_for_metrics_has_all_of_them(
    releases: dict[str, Loaded], tmp_path: Path, slow: tuple[Writer, io.BytesIO]
) -> None:
    loaded = releases[PLAIN]
    with client_of(loaded, tmp_path, logs="json") as client:
        before = answered(client.get("/metrics").text)
        for number in range(1, 4):
            assert client.post(PREDICT, json=example(loaded)).status_code == 200
            assert answered(client.get("/metrics").text) == before + number
        # Asked again, nothing is counted again.
        assert answered(client.get("/metrics").text) == before + 3


def test_lines_are_in_the_order_of_the_answers_and_tell_their_time(
    releases: dict[str, Loaded], tmp_path: Path, slow: tuple[Writer, io.BytesIO]
) -> None:
    writer, stream = slow
    loaded = releases[PLAIN]
    with client_of(loaded, tmp_path, logs="json") as client:
        for name in ("first", "second", "third"):
            assert client.post(PREDICT, json=example(loaded), headers={"x-request-id": name}).status_code == 200
            if name == "first":
                asyncio.run(asyncio.sleep(0.05))
    writer.flush()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["request_id"] for line in lines] == ["first", "second", "third"]
    first, second, _ = (datetime.fromisoformat(line["time"]) for line in lines)
    assert (second - first).total_seconds() >= 0.04


def test_what_can_not_be_entered_ends_no_other_line(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    writer = Writer(stream)
    monkeypatch.setattr(logs, "standard_error", lambda: writer)

    def broken() -> None:
        raise OSError("no space left")

    writer.first.append(broken)
    with client_of(releases[PLAIN], tmp_path, logs="json") as client:
        assert client.post(PREDICT, json=example(releases[PLAIN])).status_code == 200
    writer.flush()
    assert [json.loads(line)["status"] for line in stream.getvalue().splitlines()] == [200]


def test_in_hand_is_told_while_it_is(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = build_app(Slots(releases[PLAIN]), ServeConfig(logs="none"), tmp_path)

    def told(text: str) -> float:
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("lightloop_requests_in"))

    async def ask() -> tuple[float, float]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            await app.work.enter(float("inf"))
            during = told((await client.get("/metrics")).text)
            app.work.leave()
            return during, told((await client.get("/metrics")).text)

    assert asyncio.run(ask()) == (1, 0)


def test_an_app_may_be_closed_and_opened_again(releases: dict[str, Loaded], tmp_path: Path) -> None:
    writer = Writer(io.BytesIO())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "standard_error", lambda: writer)
        app = build_app(Slots(releases[PLAIN]), ServeConfig(logs="json"), tmp_path)
        counts = []
        for _ in range(3):
            with TestClient(app) as client:
                assert client.post(PREDICT, json=example(releases[PLAIN])).status_code == 200
                counts.append(answered(client.get("/metrics").text))
    assert writer.first == []
    assert [number - counts[0] for number in counts] == [0, 1, 2]


def test_a_lone_request_waits_for_nobody(releases: dict[str, Loaded], tmp_path: Path) -> None:
    app = build_app(Slots(releases[PLAIN]), ServeConfig(logs="none"), tmp_path)
    turns: list[Any] = []

    async def ask() -> None:
        turn = asyncio.get_running_loop().call_soon(turns.append, "turned")
        await app.work.enter(float("inf"))
        app.work.leave()
        turn.cancel()

    app.work.alone = lambda: True
    asyncio.run(ask())
    assert turns == []
    app.work.alone = lambda: False
    asyncio.run(ask())
    assert turns == ["turned"]
