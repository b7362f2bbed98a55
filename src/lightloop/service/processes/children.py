"""The workers as processes: forked, watched, replaced when they die or hang.

They are forked from a process that has imported what they need and runs no thread of ours: a new one answers after a
tenth of a second of work instead of two. ONNX Runtime, which starts threads as it is imported, is left to them.
"""

import gc
import importlib
import multiprocessing
import os
import random
import signal
import socket
import sys
import time
from collections.abc import MutableSequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess

from lightloop.config.serve import ServeConfig
from lightloop.service.processes.accepting import AWAY, nobody
from lightloop.service.processes.state import ServiceFolder, WorkerHealth, WorkerReport

PATIENCE = 60.0  # seconds that a worker may load
YOUNG = 5.0  # seconds; a worker that dies earlier is replaced more slowly each time
SLOWEST = 5.0  # seconds until it is tried again
SIGNALS = (signal.SIGTERM, signal.SIGINT)
# NumPy's own threads get in the way of ONNX Runtime's. The system's allocator with few arenas keeps the memory flat
# over many releases, and starts no thread.
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
}
SHARED = (
    "fastapi",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "numpy",
    "pyarrow",
    "pyarrow.compute",
    "structlog",
    "PIL.Image",
    "lightloop.serving.manifest",
    "lightloop.service.schemas",
    "lightloop.serving.logfiles",
)


@dataclass
class Place:
    """A worker's place: the process that fills it, and what is known of those that did before.

    Attributes:
        index: of it.
        process: that fills it, or None until another one is started.
        begun: when it was started, on the monotonic clock.
        report: of it.
        restarts: how often it was filled anew.
        quick: how often in a row it ended soon.
        due: when another one is started.
    """

    index: int
    process: BaseProcess | None = None
    begun: float = 0.0
    report: WorkerReport | None = None
    restarts: int = 0
    quick: int = 0
    due: float = 0.0

    @property
    def failed(self) -> WorkerReport | None:
        """The last words of a process that could not begin."""
        return self.report if self.report is not None and self.report.state == "failed" else None

    def health(self) -> WorkerHealth:
        state = self.report.state if self.report else "loading"
        pid = self.process.pid if self.process else None
        return WorkerHealth(
            index=self.index, pid=pid or 0, state=state if self.process else "dead", restarts=self.restarts
        )


@dataclass
class Lost:
    """A worker that is gone: where, how, and its last report."""

    place: Place
    how: str


@dataclass
class Children:
    """All workers of a service.

    Attributes:
        folder: of the service.
        settings: of it.
        public: socket.
        private: socket, or None.
        inherited: descriptors that a worker must close.
    """

    folder: ServiceFolder
    settings: ServeConfig
    public: socket.socket
    private: socket.socket | None
    inherited: tuple[int, ...] = ()
    places: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places = [Place(index) for index in range(self.settings.workers)]
        self._held = nobody(self.settings.workers)

    @property
    def reports(self) -> list[WorkerReport | None]:
        return [place.report if place.process else None for place in self.places]

    @property
    def ready(self) -> int:
        return sum(report is not None and report.state == "ready" for report in self.reports)

    @property
    def restarts(self) -> int:
        return sum(place.restarts for place in self.places)

    def look(self) -> list[Lost]:
        """Fill empty places; which workers are gone since the last look."""
        lost = []
        for place in self.places:
            if place.process is None:
                if time.monotonic() >= place.due:
                    self._fill(place)
                continue
            report = self.folder.report(place.index)
            place.report = report if report and report.pid == place.process.pid else None
            if place.process.exitcode is not None:
                lost.append(self._empty(place, f"ended ({_ending(place.process.exitcode)})"))
            elif self._hangs(place):
                lost.append(self._empty(place, "hung"))
        return lost

    def terminate(self) -> None:
        """Ask all to stop."""
        for place in self.places:
            if place.process is not None:
                place.process.terminate()

    def ended(self) -> bool:
        """Whether none runs."""
        return all(place.process is None or place.process.exitcode is not None for place in self.places)

    def kill(self) -> None:
        """End all at once."""
        for place in self.places:
            if place.process is not None:
                place.process.kill()
                place.process.join()

    def _fill(self, place: Place) -> None:
        self.folder.worker_path(place.index).unlink(missing_ok=True)
        # Only Linux forks soundly; elsewhere a worker imports everything itself.
        context = (
            multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
        )
        process = context.Process(
            target=_work,
            args=(self.folder, place.index, self.public, self.private),
            kwargs={"held": self._held, "parent": os.getpid(), "inherited": self.inherited},
            name=f"worker {place.index}",
        )
        # A signal for the worker must not meet the handlers that it inherits.
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        place.process, place.begun, place.report = process, time.monotonic(), None

    def _hangs(self, place: Place) -> bool:
        if place.report is None or place.report.state == "loading":
            return time.monotonic() - place.begun > PATIENCE
        return self.folder.silence(place.index, place.report) > self.settings.hang

    def _empty(self, place: Place, how: str) -> Lost:
        """A worker is gone: another one is started, later where that did not help."""
        from prometheus_client.multiprocess import mark_process_dead  # it looks for its folder as it is imported

        assert place.process is not None
        place.process.kill()
        place.process.join()
        mark_process_dead(place.process.pid or 0, path=str(self.folder.prometheus))
        sound = place.report is not None and place.report.state == "ready" and time.monotonic() - place.begun > YOUNG
        place.quick = 0 if sound else place.quick + 1
        place.due = time.monotonic() + (0.0 if place.quick <= 1 else min(SLOWEST, 0.1 * 2**place.quick))
        place.restarts += 1
        place.process = None
        self._held[place.index] = AWAY
        return Lost(place, how)


def preload(folder: ServiceFolder) -> None:
    """Import what all workers need, before the first is forked."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder.prometheus)
    os.environ |= ENVIRONMENT
    if sys.platform == "linux":
        for name in SHARED:
            importlib.import_module(name)
        # What all share must not be written to, as a collection does.
        gc.collect()
        gc.freeze()


def _work(
    folder: ServiceFolder,
    index: int,
    public: socket.socket,
    private: socket.socket | None,
    *,
    held: MutableSequence[int],
    parent: int,
    inherited: tuple[int, ...],
) -> None:
    """Where a worker's process begins."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Ctrl-C reaches all processes of a terminal; the supervisor hears it, and tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for descriptor in inherited:
        os.close(descriptor)
    random.seed()
    from lightloop.service.processes.worker import main

    sys.exit(main(folder, index, public, private, held=held, parent=parent))


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
