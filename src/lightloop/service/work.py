"""What a worker has in hand: how much at once, for how long, and in which thread.

A quick model answers in the event loop, since a change of threads costs more than its answer. A slow one answers in a
thread, so that health and metrics answer meanwhile.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from lightloop.config.serve import ServeConfig
from lightloop.service.faults import RequestError

Result = TypeVar("Result")
# A hop to a thread and back costs about 0.15 ms, and other requests wait as long as an inline answer takes.
INLINE: Final = 0.002  # seconds
# Bodies beyond this take longer to read than the hop does.
SMALL: Final = 65_536  # bytes
THREADS: Final = 2


class Work:
    """Admission and threads of one process.

    Attributes:
        in_hand: requests that are being answered.
        changed: called whenever that is another number.
        alone: tells whether no other request has come; None where nobody knows.
    """

    def __init__(self, settings: ServeConfig) -> None:
        self.in_hand = 0
        self.changed: Callable[[], None] = lambda: None
        self.alone: Callable[[], bool] | None = None
        self._most, self._deadline = settings.queue, settings.deadline
        self._quick = ThreadPoolExecutor(THREADS, thread_name_prefix="predict")
        # An explanation asks the graph hundreds of times: predictions do not wait behind it.
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="explain")

    async def enter(self, started: float, *, wait: bool = True) -> None:
        """Take a place among the requests in hand, which `leave` gives back.

        Args:
            started: when the request came, by `time.perf_counter`.
            wait: for one's turn; else that is done otherwise.

        Raises:
            RequestError: there is none (429), or the request waited too long for its turn (503); nothing is taken.
        """
        if self.in_hand >= self._most:
            raise RequestError(429, headers={"Retry-After": "1"})
        self._count(1)
        if not wait:
            return
        try:
            # One turn of the loop: all requests that have come are counted before the first of them is answered, so
            # that the bound holds although answers are given one after the other.
            if self.alone is None or not self.alone():
                await asyncio.sleep(0)
            self.in_turn(started, time.perf_counter())
        except BaseException:
            self._count(-1)
            raise

    def in_turn(self, started: float, now: float) -> None:
        """That a request that is answered now did not wait too long.

        Raises:
            RequestError: it did (503).
        """
        if now - started > self._deadline:
            raise self._late()

    def leave(self) -> None:
        """Give a place back."""
        self._count(-1)

    def _count(self, change: int) -> None:
        self.in_hand += change
        self.changed()

    async def threaded(self, task: Callable[[], Result], started: float, *, long: bool = False) -> Result:
        """What a task gives that runs in a thread.

        Args:
            task: to run; one that has begun runs to its end.
            started: see `enter`.
            long: whether it takes its time, as explanations do.

        Raises:
            RequestError: it is not done by the deadline (503).
        """
        pool = self._slow if long else self._quick
        return await self.in_time(asyncio.get_running_loop().run_in_executor(pool, task), started)

    async def in_time(self, waiting: Awaitable[Result], started: float) -> Result:
        """What is waited for, unless the deadline comes first; see `threaded`."""
        left = self._deadline - (time.perf_counter() - started)
        try:
            return await asyncio.wait_for(waiting, max(left, 0.001))
        except TimeoutError:
            raise self._late() from None

    def _late(self) -> RequestError:
        sentence = f"no answer within {self._deadline:g} s: try again, with fewer records where there were many"
        return RequestError(503, sentence, {"Retry-After": "1"})

    def close(self) -> None:
        """Let the threads end; what they have begun is finished."""
        for pool in (self._quick, self._slow):
            pool.shutdown(wait=True, cancel_futures=True)
