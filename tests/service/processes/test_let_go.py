"""A release that went is let go of: neither the log's queue nor a connection that stays keeps its model."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from http_world import example
from listened import listening
from tiny_bundles import PLAIN, tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.service import recording
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.slots import Slots

PREDICT = "/v1/predict"
MANY = "/v1/predict/many"


class Client:
    """One connection to the service, which stays."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def ask(self, path: str, body: object = None) -> str:
        """The answer's text."""
        content = b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        self.writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        assert lines[0].split()[1] == "200", lines
        size = next(int(line.split(": ")[1]) for line in lines if line.startswith("content-length"))
        return (await self._reader.readexactly(size)).decode()


@asynccontextmanager
async def clients_of(slots: Slots, root: Path, count: int) -> AsyncIterator[list[Client]]:
    """Real connections to a service that keeps its log."""
    settings = ServeConfig.model_validate({"logs": "json", "log": {"seconds": 600.0}})
    app = build_app(slots, settings, root)
    async with listening(app) as address, app.router.lifespan_context(app):
        clients = [Client(*await asyncio.open_connection(*address)) for _ in range(count)]
        try:
            yield clients
        finally:
            for client in clients:
                client.writer.close()


def test_a_release_that_went_is_let_go_of_while_its_rows_wait_and_its_connections_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "GATHER", 60.0)  # the log makes no rows before the end
    slots = Slots(Loaded.open(tiny_bundle(PLAIN, tmp_path / "one"), "v1"))
    record = example(slots.current)

    async def change() -> tuple[list[bool], bool]:
        async with clients_of(slots, tmp_path, 4) as clients:
            gone = weakref.ref(slots.current), weakref.ref(slots.current.predictor)
            # Alone, several in one request, and two that come at once; the first two connections ask nothing more.
            await clients[0].ask(PREDICT, record)
            await clients[1].ask(MANY, {"records": [record] * 3})
            told = await asyncio.gather(*(client.ask(PREDICT, record) for client in clients[2:]))
            assert all('"v1"' in one for one in told)
            slots.swap(Loaded.open(tiny_bundle(PLAIN, tmp_path / "two", bias=1.0), "v2"))
            assert '"v2"' in await clients[2].ask(PREDICT, record)
            # Whoever asks for metrics has all requests counted before.
            assert 'version="v1"' in await clients[3].ask("/metrics")
            gc.collect()
            return [one() is None for one in gone], (tmp_path / ".lightloop/log").exists()

    assert asyncio.run(change()) == ([True, True], False), "let go of, before a row of it was made"
    assert len(list((tmp_path / ".lightloop/log/predictions").rglob("*.parquet"))) == 2, "one of each release"
