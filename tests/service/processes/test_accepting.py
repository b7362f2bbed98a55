"""Connections are shared out among those who answer one socket, and none that waits is turned away."""

import asyncio
import os
import resource
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from lightloop.service.processes.accepting import AWAY, Acceptor, nobody, surplus
from lightloop.service.processes.listening import bind


class Held(asyncio.Protocol):
    """Says who took the connection."""

    def __init__(self, name: bytes, taken: list[asyncio.BaseTransport]) -> None:
        self._name, self._taken = name, taken

    def connection_made(self, transport: Any) -> None:
        self._taken.append(transport)
        transport.write(self._name)


class Pair:
    """Two that answer the same socket, as two workers do; each has its own descriptor of it."""

    def __init__(self) -> None:
        first = bind("127.0.0.1", 0)
        first.listen(64)
        self.address = first.getsockname()
        self.taken: list[list[asyncio.BaseTransport]] = [[], []]
        self.held = nobody(2)
        self.acceptors = [
            Acceptor(
                one,
                lambda index=index: Held(b"ab"[index : index + 1], self.taken[index]),
                self.held,
                index,
                lambda index=index: len(self.taken[index]),
            )
            for index, one in enumerate((first, first.dup()))
        ]

    async def close(self) -> None:
        for acceptor in self.acceptors:
            await acceptor.close()
        for transport in (*self.taken[0], *self.taken[1]):
            transport.close()


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def connect(address: tuple[str, int], count: int) -> list[tuple[bytes, asyncio.StreamWriter]]:
    async def one() -> tuple[bytes, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*address)
        return await asyncio.wait_for(reader.readexactly(1), 20), writer

    return await asyncio.gather(*(one() for _ in range(count)))


def test_clients_that_come_together_are_shared_out() -> None:
    async def main() -> None:
        pair = Pair()
        clients = await connect(pair.address, 40)
        names = [name for name, _ in clients]
        assert abs(names.count(b"a") - names.count(b"b")) <= 4
        assert list(pair.held) == [len(taken) for taken in pair.taken]
        for _, writer in clients:
            writer.close()
        await pair.close()
        assert list(pair.held) == [AWAY, AWAY]

    run(main())


def test_clients_that_come_one_by_one_are_shared_out() -> None:
    async def main() -> None:
        pair = Pair()
        clients = [(await connect(pair.address, 1))[0] for _ in range(20)]
        names = [name for name, _ in clients]
        assert abs(names.count(b"a") - names.count(b"b")) <= 2
        for _, writer in clients:
            writer.close()
        await pair.close()

    run(main())


def test_one_alone_takes_all_and_what_waits_at_the_end() -> None:
    async def main() -> None:
        pair = Pair()
        await pair.acceptors[0].close()
        clients = await connect(pair.address, 10)
        assert {name for name, _ in clients} == {b"b"}
        # The loop has no chance to see this one before the end.
        waiting = socket.create_connection(pair.address)
        await pair.acceptors[1].close()
        waiting.settimeout(5)
        assert await asyncio.to_thread(waiting.recv, 1) == b"b"
        waiting.close()
        with pytest.raises(ConnectionRefusedError, match=r"refused|failed"):
            socket.create_connection(pair.address, timeout=5)
        for _, writer in clients:
            writer.close()
        for transport in pair.taken[1]:
            transport.close()

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="it counts descriptors by /proc")
def test_without_descriptors_it_waits_and_goes_on() -> None:
    async def main() -> None:
        pair = Pair()
        await pair.acceptors[1].close()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        client = socket.socket()
        spare = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
        highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
        try:
            fill = []
            while True:
                try:
                    fill.append(os.open(os.devnull, os.O_RDONLY))
                except OSError:
                    break
            client.setblocking(False)
            client.connect_ex(pair.address)
            await asyncio.sleep(0.1)
            assert pair.taken[0] == []
        finally:
            for descriptor in (*fill, *spare):
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(100):
            if pair.taken[0]:
                break
            await asyncio.sleep(0.02)
        assert len(pair.taken[0]) == 1
        client.close()
        await pair.close()

    run(main())


def test_who_has_more_gives_a_part_until_it_is_even() -> None:
    held = [40, 0, 20]
    for _ in range(50):
        for index in range(3):
            given = surplus(held, index)
            held[index] -= given
            # Where they go is the affair of accepting.
            for _ in range(given):
                held[held.index(min(held))] += 1
    assert max(held) - min(held) < 4
    assert sum(held) == 60
    assert surplus([7], 0) == 0
