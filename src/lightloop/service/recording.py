"""The log of predictions and requests: what was asked and answered goes into a queue, and a thread writes it to files.

Nothing of it is on the way of an answer but a place in the queue: rows are made, compressed and written by the thread,
seldom and many at once (see `GATHER`). What does not fit, or can't be written in time, is left out and counted.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray

from lightloop import clock
from lightloop.config.serve import LogConfig
from lightloop.service import metrics
from lightloop.service.keeping import Keeper
from lightloop.service.loaded import Loaded
from lightloop.serving.log import EDGES, bucket, drawn
from lightloop.serving.logfiles import CLOUD, LogFiles
from lightloop.serving.logged import KEY, Answer, Rows
from lightloop.serving.manifest import Manifest
from lightloop.serving.predictions import AnyPrediction

# Seconds for which answers are gathered, before rows are made of them. A thread that wants the interpreter while others
# answer waits for it at every call into C, and costs them a wake-up in vain whenever they let it go: so rows are made
# seldom, and many at once.
GATHER: Final = 2.0
PIECE: Final = 512  # answers that rows are made of at once
YIELD: Final = 0.0005  # seconds between two pieces
WAITING: Final = 64_000_000  # bytes of requests that may wait in the queue
SOON: Final = 20_000  # rows after which a file is written before its time
LAST: Final = 2.5  # seconds that the last rows may take when the service stops


class _Release(NamedTuple):
    """What rows tell of a release: its model is let go of when it goes, not when its last rows are made."""

    manifest: Manifest
    version: str
    digest: str


class Recorder:
    """The log of one process. Its methods may be called by any thread; none of them waits."""

    def __init__(self, settings: LogConfig, root: Path, logger: Any = None) -> None:
        """Nothing is opened or started before the first request.

        Args:
            settings: `folder` is not None.
            root: folder that the log's is relative to.
            logger: for a warning when nothing can be written; None where there are to be no lines.
        """
        assert settings.folder is not None, "without a folder there is no log"
        self._settings, self._logger = settings, logger
        folder = settings.folder
        self._keeper = Keeper(
            LogFiles(folder if folder.startswith(CLOUD) else root / folder), settings.days, self._tell
        )
        self._lock = threading.Lock()
        self._answers: deque[tuple[_Release, Answer, int]] = deque()
        self._requests: dict[tuple[int, str, str, int], list[Any]] = {}
        self._rows = self._bytes = 0  # in the queue
        self._some, self._stop = threading.Event(), threading.Event()
        self._soon = threading.Event()  # the queue is half full, or the service stops: rows are made without waiting
        self._thread: threading.Thread | None = None
        # Asked for each request: where time is the machine's, that is all there is to know.
        self._clock = clock.now_of()
        self._makers: dict[str, Rows] = {}

    def add(
        self,
        loaded: Loaded,
        ids: Sequence[str],
        records: Sequence[dict[str, Any]] | pa.Table | None,
        predictions: Sequence[AnyPrediction],
        *,
        slot: str,
        route: str,
        page: bool = False,
        seconds: float = 0.0,
        size: int = 0,
        pixels: Any = None,
    ) -> None:
        """Keep answers, or count them where there is no room.

        Args:
            loaded: the release that answered.
            ids: of the predictions.
            records: that were asked, see `Answer`.
            predictions: of them.
            slot: see `serving.log.HEAD`, and for these too:
            route: that was asked.
            page: whether by the page.
            seconds: that the answer took.
            size: bytes of the request.
            pixels: see `Answer`.
        """
        if self._settings.share < 1.0:
            kept = [row for row, one in enumerate(ids) if drawn(one, self._settings.share)]
            if not kept:
                return
            if len(kept) < len(ids):
                ids, predictions = [ids[row] for row in kept], [predictions[row] for row in kept]
                pixels = None if pixels is None else [pixels[row] for row in kept]
                if records is not None:
                    records = records.take(kept) if isinstance(records, pa.Table) else [records[row] for row in kept]
        with self._lock:
            room = self._rows + len(ids) <= self._settings.queue and self._bytes + size <= WAITING
            if room:
                self._rows += len(ids)
                self._bytes += size
            full = 2 * self._rows >= self._settings.queue or 2 * self._bytes >= WAITING
        if not room:
            metrics.LOG_DROPPED.labels("queue").inc(len(ids))
            return
        answer = Answer(ids, seconds, slot, route, page, records, predictions, pixels)
        release = _Release(loaded.predictor.manifest, loaded.version, loaded.digest)
        self._answers.append((release, answer, size))
        if full:
            self._soon.set()
        self._wake()

    def shadow(self, loaded: Loaded, ids: Sequence[str], records: pa.Table, answers: dict[str, NDArray[Any]]) -> None:
        """Keep what a shadow would have answered, see `Slots.shadowed`."""
        predictor = loaded.predictor
        found = predictor.concluded(answers, [()] * len(ids))
        self.add(loaded, ids, records, predictor.told(found), slot="shadow", route="", size=records.nbytes)

    def request(self, version: str, route: str, status: int, seconds: float) -> None:
        """Count a request; each is counted, whatever the share of answers that is kept.

        Args:
            version: of the release that answered, or would have.
            route: its address, or what stands for those of its kind.
            status: of the answer.
            seconds: that it took.
        """
        key = (int(self._clock() // 60), version, route, status)
        with self._lock:
            found = self._requests.get(key)
            if found is None:
                found = self._requests[key] = [0, 0.0, [0] * (len(EDGES) + 1)]
            found[0] += 1
            found[1] += seconds
            found[2][bucket(seconds)] += 1
        self._wake()

    def close(self) -> None:
        """Write what is left, for at most `LAST` seconds."""
        self._stop.set()
        self._soon.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join(LAST)
            if self._thread.is_alive():
                left = self._rows + self._keeper.rows
                metrics.LOG_DROPPED.labels("write").inc(left)
                self._tell("the log was not written in time", rows=left)

    def _wake(self) -> None:
        if not self._some.is_set():
            self._some.set()
            # Late, so that a process that forks after it made its app still has a thread of its own.
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        due: float | None = None
        while not self._stop.is_set():
            self._some.wait(None if due is None else max(0.0, due - time.monotonic()))
            self._soon.wait(min(GATHER, self._settings.seconds / 4))
            self._soon.clear()
            self._some.clear()
            self._gather()
            if due is None:
                due = time.monotonic() + self._settings.seconds
            if time.monotonic() >= due or self._keeper.rows >= SOON:
                self._flush()
                due = None if self._keeper.empty else time.monotonic() + self._settings.seconds
        self._gather()
        self._flush()

    def _gather(self) -> None:
        """Make rows of what is in the queue."""
        # What comes meanwhile is for the next time: where it comes as fast as rows are made, there would be no end.
        left = len(self._answers)
        while left:
            piece: list[Answer] = []
            release, rows, octets = self._answers[0][0], 0, 0
            while left and rows < PIECE and self._answers[0][0].digest == release.digest:
                _, answer, size = self._answers.popleft()
                left -= 1
                piece.append(answer)
                rows += len(answer.ids)
                octets += size
            try:
                maker = self._maker(release)
                self._keeper.keep(release.digest[:8], maker.table(piece), maker.schema)
            except Exception as error:  # noqa: BLE001 - no record may end the log of all others
                metrics.LOG_DROPPED.labels("row").inc(rows)
                self._tell("answers can't be kept in the log", why=type(error).__name__, rows=rows)
            with self._lock:
                self._rows -= rows
                self._bytes -= octets
            time.sleep(YIELD)

    def _maker(self, release: _Release) -> Rows:
        found = self._makers.get(release.digest)
        if found is None:
            found = Rows(*release, self._settings, os.environ.get(KEY))
            self._makers[release.digest] = found
        return found

    def _flush(self) -> None:
        with self._lock:
            requests, self._requests = self._requests, {}
        if requests:
            self._keeper.count(requests)
        self._keeper.flush()
        # Arrow keeps what writing took, some times as much as the files, for seconds.
        pa.default_memory_pool().release_unused()

    def _tell(self, event: str, **facts: Any) -> None:
        if self._logger is not None:
            self._logger.warning(event, **facts)
