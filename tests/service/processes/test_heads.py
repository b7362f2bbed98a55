"""Heads of requests that do not end, or are none: told, and the connection is closed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from http_world import example
from listened import listening
from tiny_bundles import PLAIN

from lightloop.config.serve import ServeConfig
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.processes import heads
from lightloop.service.slots import Slots


@pytest.fixture
def ask(releases: dict[str, Loaded], tmp_path: Path) -> Any:
    """Send pieces of bytes over a real connection; what came back until it was closed, or the server had nothing."""
    app = build_app(Slots(releases[PLAIN]), ServeConfig(logs="none"), tmp_path)

    async def exchange(pieces: list[bytes]) -> bytes:
        async with listening(app) as address:
            reader, writer = await asyncio.open_connection(*address)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02)
            got = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            return got

    return lambda *pieces: asyncio.run(exchange(list(pieces)))


def parts(answer: bytes) -> tuple[int, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_head_that_does_not_end(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "SECONDS", 0.1)
    for pieces in ((), (b"P",), (b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n")):
        status, answer = parts(ask(*pieces))
        assert (status, list(answer)) == (408, ["error"])
        assert answer["error"].startswith("the head of the request did not come within")


def test_a_head_that_is_too_large(ask: Any) -> None:
    status, answer = parts(ask(b"GET / HTTP/1.1\r\n", *[b"A: " + b"x" * 20_000 + b"\r\n"] * 4))
    assert (status, answer) == (431, {"error": "the head of the request is larger than 65536 bytes: send less of it"})


@pytest.mark.parametrize(
    "piece", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_no_http(ask: Any, piece: bytes) -> None:
    assert parts(ask(piece)) == (400, {"error": "this is no HTTP request"})


def test_requests_in_pieces_are_answered(ask: Any, releases: dict[str, Loaded]) -> None:
    body = json.dumps(example(releases[PLAIN])).encode()
    head = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(
        body
    )
    got = ask(head[:30], head[30:] + b"\r\n", body[:5], body[5:], head + b"Connection: close\r\n\r\n" + body)
    assert got.count(b"HTTP/1.1 200 OK") == 2
