"""Accepting connections from a socket that several processes share, so that each gets its part of them.

An event loop accepts all that wait at once: of clients that come together, and keep their connections, one process
would serve all and the others none. Here a process takes one connection a turn, and one that has more than another
leaves the other a moment to take it. Where it came otherwise, as after the death of a process, the one that has more
ends some of its connections with an answer, and their clients connect anew.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, MutableSequence
from multiprocessing.sharedctypes import RawArray

LEAVE = 0.002  # seconds that a worker with more connections than another leaves it
REST = 0.2  # seconds after which it is tried again when the process has no descriptors or memory left
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
UNEVEN = 4  # connections that one may have more than another
AWAY = 2**30  # number of connections of a process that takes none


class Acceptor:
    """Answers a listening socket."""

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        held: MutableSequence[int],
        index: int,
        connections: Callable[[], int],
    ) -> None:
        """Begin to accept, in the running loop.

        Args:
            listening: bound socket that does not block.
            protocol: makes one for a connection.
            held: how many connections each process has, in memory that all share; this one writes its own number.
            index: of this process in it.
            connections: tells how many this one has.
        """
        self._loop = asyncio.get_running_loop()
        self._listening, self._protocol = listening, protocol
        self._held, self._index, self._connections = held, index, connections
        self._opening: set[asyncio.Task[object]] = set()
        self._left = False
        self._again: asyncio.TimerHandle | None = None
        self.count()
        self._watch()

    def count(self) -> None:
        """Tell the others how many connections this process has."""
        self._held[self._index] = self._connections() + len(self._opening)

    async def close(self) -> None:
        """Take all that wait now, then no more; again does nothing."""
        if self._listening.fileno() < 0:
            return
        self._pause()
        while self._take():
            pass
        if self._again is not None:
            self._again.cancel()
        self._held[self._index] = AWAY
        self._listening.close()
        if self._opening:
            await asyncio.wait(self._opening)

    def _watch(self) -> None:
        self._again = None
        self._loop.add_reader(self._listening.fileno(), self._ready)

    def _pause(self, seconds: float | None = None) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._loop.remove_reader(self._listening.fileno())
        if seconds is not None:
            self._again = self._loop.call_later(seconds, self._watch)

    def _ready(self) -> None:
        self.count()
        mine = self._held[self._index]
        # Only once: the other may be busy for longer.
        self._left = not self._left and any(count < mine for count in self._held)
        if self._left:
            self._pause(LEAVE)
        else:
            alone = all(count == AWAY for place, count in enumerate(self._held) if place != self._index)
            while self._take() and alone:
                pass  # there is nobody to leave any to, and who waits has sent a request already

    def _take(self) -> bool:
        """Accept one connection; whether there was one."""
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # another process took it, or it is gone
        except OSError as error:
            if error.errno in EXHAUSTED and self._again is None:
                self._pause(REST)
            return False
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self._protocol, connection)
        )
        self._opening.add(task)
        task.add_done_callback(self._opened)
        return True

    def _opened(self, task: "asyncio.Task[object]") -> None:
        self._opening.discard(task)
        # Who went away before the connection was set up is no matter of ours.
        if not task.cancelled():
            task.exception()
        self.count()


def surplus(held: MutableSequence[int], index: int) -> int:
    """How many connections a process should end, so that another one gets its part; a small difference is left.

    Examples:
        >>> surplus([8, 0], 0), surplus([8, 0], 1), surplus([5, 3], 0), surplus([8, AWAY], 0)
        (2, 0, 0, 0)
    """
    others = [count for place, count in enumerate(held) if place != index and count < AWAY]
    difference = held[index] - min(others, default=held[index])
    # Half of what would make them equal: two processes that do this for a third must not do too much.
    return difference // 4 if difference >= UNEVEN else 0


def nobody(processes: int) -> MutableSequence[int]:
    """Numbers of connections in memory that forked and spawned processes share; none of them takes any yet."""
    return RawArray("i", [AWAY] * processes)
