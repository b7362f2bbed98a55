"""Load for a service: clients that keep their connections and tell for each request what became of it."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

BREATH = 0.01  # seconds after a refused connection


@dataclass
class Told:
    """What became of all requests.

    Attributes:
        statuses: how many answers had which status.
        versions: how many 200 were of which release.
        refused: connections that were not made, so that nothing was sent: no request is lost by it.
        lost: requests that were sent, and got no whole answer, with the reason.
        seconds: of each answer, by status.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: dict[int, list[float]] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Requests that were lost, or answered by our fault."""
        return len(self.lost) + sum(count for status, count in self.statuses.items() if status >= 500)

    def quantile(self, share: float, status: int = 200) -> float:
        """Seconds within which that share of the answers of a status came."""
        times = sorted(self.seconds[status])
        return times[min(len(times) - 1, int(share * len(times)))]


class Hammer:
    """Clients that ask again and again until told to stop."""

    def __init__(self, address: str, record: Any, *, clients: int = 8, headers: str = "", path: str = "/v1/predict"):
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port or 80
        body = json.dumps(record).encode()
        self._request = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self._clients = clients
        self._stop = threading.Event()
        self.told = Told()

    @contextmanager
    def running(self) -> Iterator[Told]:
        """Load beside the block."""
        thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        thread.start()
        try:
            yield self.told
        finally:
            self._stop.set()
            thread.join(60)
            assert not thread.is_alive(), "a client waits for ever"

    async def _all(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._clients)))

    async def _client(self) -> None:
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(self._host, self._port), 5)
            except (OSError, TimeoutError):
                self.told.refused += 1
                await asyncio.sleep(BREATH)
                continue
            try:
                while not self._stop.is_set() and await self._one(reader, writer):
                    pass
            finally:
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection may be used again."""
        begun = perf_counter()
        try:
            writer.write(self._request)
            await writer.drain()
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            lines = head.decode("latin-1").lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), 30)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.told.lost.append(repr(error))
            return False
        status = int(lines[0].split()[1])
        self.told.statuses[status] += 1
        self.told.seconds.setdefault(status, []).append(perf_counter() - begun)
        if status == 200:
            self.told.versions[json.loads(body).get("model_version", "")] += 1
        elif status in (429, 503):
            await asyncio.sleep(BREATH)
        return headers.get("connection") != "close"
