"""One structured line a request, on the standard error: ids, status, milliseconds. Never a body, never a key.

Lines are handed to a thread that writes them in batches: a reader that stands still never holds a request up. What it
does not take in time is counted and left out.
"""

import atexit
import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO, FileIO
from typing import Any, BinaryIO, Final

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, WrappedLogger

from lightloop.config.serve import ServeConfig

WAITING: Final = 10_000  # lines
WHOLE: Final = 4096  # bytes that a pipe takes whole, so that lines of several workers do not mix (POSIX's PIPE_BUF)
GATHER: Final = 0.02  # seconds for which lines are gathered


class Writer:
    """A file that is written to by a thread of its own.

    Attributes:
        first: what the thread does before it writes, and `flush` does too; it may hand lines over.
    """

    def __init__(self, stream: BinaryIO | FileIO) -> None:
        self._stream = stream
        self.first: list[Callable[[], None]] = []
        self._lines: deque[bytes] = deque(maxlen=WAITING)
        self._some = threading.Event()
        self._woken = False
        self._busy = self._closing = False
        self._left_out = 0
        self._thread: threading.Thread | None = None

    def msg(self, line: bytes) -> None:
        """Hand over a line."""
        if len(self._lines) == WAITING:
            self._left_out += 1
        self._lines.append(line)
        self.wake()

    def wake(self) -> None:
        """Have the thread come, within `GATHER` seconds."""
        if not self._woken:
            self._woken = True
            self._some.set()
            # Late, so that a process that forks after it made its app still has a thread of its own.
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="logs", daemon=True)
                self._thread.start()
                atexit.register(self._close)

    # The names that structlog calls, one a level.
    debug = info = warning = error = critical = msg

    def flush(self) -> None:
        """Wait until what was handed over is written, for at most a second."""
        self._begin()
        end = time.monotonic() + 1.0
        while (self._lines or self._busy) and time.monotonic() < end:
            time.sleep(GATHER / 4)

    def _close(self) -> None:
        self._closing = True
        self._some.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _write(self) -> None:
        while not self._closing:
            self._some.wait()
            if not self._closing:
                time.sleep(GATHER)
            self._some.clear()
            self._woken = False
            self._busy = True
            self._begin()
            try:
                self._drain()
            except (OSError, ValueError):  # nobody reads any more
                self._lines.clear()
            self._busy = False

    def _begin(self) -> None:
        for one in tuple(self.first):
            # What can't be entered may not end the lines of all others.
            with contextlib.suppress(Exception):
                one()

    def _drain(self) -> None:
        lines = []
        while self._lines:
            lines.append(self._lines.popleft() + b"\n")
        if self._left_out:
            lines.append(to_json({"event": "lines left out", "count": self._left_out}) + b"\n")
            self._left_out = 0
        block = b""
        for line in [*lines, b""]:
            if block and (len(block) + len(line) > WHOLE or not line):
                self._put(block)
                block = b""
            block += line

    def _put(self, block: bytes) -> None:
        while block:
            written = self._stream.write(block)
            if not written:  # a pipe that does not block, and is full
                return
            block = block[written:]


@lru_cache(maxsize=1)
def standard_error() -> Writer:
    """The writer of this process."""
    return Writer(FileIO(sys.stderr.fileno(), "w", closefd=False))


def writer_of(settings: ServeConfig) -> Writer:
    """The writer of the logger, or one that writes nothing."""
    return Writer(BytesIO()) if settings.logs == "none" else standard_error()


def make_logger(settings: ServeConfig, writer: Writer | None = None) -> Any:
    """A structlog logger for one line a request, or None where there are to be no logs.

    Args:
        settings: `logs` says in which form.
        writer: where to; None stands for the standard error.
    """
    if settings.logs == "none":
        return None
    shape = _as_json if settings.logs == "json" else _as_text
    found = structlog.wrap_logger(
        writer or standard_error(), processors=[_stamp, shape], wrapper_class=structlog.BoundLogger
    )
    # Bound once: the logger that structlog gives at first binds anew for each line.
    return found.bind()


def _stamp(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    now = event.pop("at", None) or time.time()
    return {"time": f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z", "level": level, **event}


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    """Formatted once for all lines of a second."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return to_json(event)


def _as_text(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    head = f"{event.pop('time')} {event.pop('level'):<7} {event.pop('event')}"
    rest = " ".join(f"{key}={value}" for key, value in event.items() if value is not None)
    # A client's path may hold anything: a line stays one line.
    return f"{head} {rest}".encode("unicode_escape")
