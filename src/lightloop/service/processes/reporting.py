"""How a worker's file comes to the disk: by a thread, since a rename there may take a tenth of a second."""

import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from lightloop.service.processes.state import WorkerReport, put


class Reporter:
    """Writes reports one after the other; the event loop, which makes them, waits for none.

    A report says itself when it was made, so that a loop that stands still is found out all the same.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="report")
        self._last: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a report is not written yet: on a slow disk they must not pile up."""
        return self._last is not None and not self._last.done()

    def put(self, report: WorkerReport, *, wait: bool = False) -> None:
        """Have a report written after those before it.

        Args:
            report: that takes the place of the one before.
            wait: until it is written, as the last of a worker that ends must be.
        """
        self._last = self._thread.submit(_write, self._path, report)
        if wait:
            self._last.result()


def _write(path: Path, report: WorkerReport) -> None:
    try:
        put(path, report)
    except OSError:
        # A full disk is no reason to end: to touch a file takes no space.
        with contextlib.suppress(OSError):
            os.utime(path)
