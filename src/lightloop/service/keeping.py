"""Rows of the log that wait to be written, and the files that were: a thread's own, which no answer waits for.

Once a writer has several small files of a day, they become one.
"""

import time
from collections import deque
from datetime import date, timedelta
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa

from lightloop import clock
from lightloop.service import metrics
from lightloop.serving.log import REQUEST, by_day, minute_of
from lightloop.serving.logfiles import PREDICTIONS, REQUESTS, LogFiles, Part

HELD: Final = 64_000_000  # bytes of rows that may wait for a disk that takes nothing
HOUR: Final = 3600.0
FEW: Final = 16  # files of about the same size that become one
LARGE: Final = 32_000_000  # bytes of a file that is large enough


class Keeper:
    """Rows that wait to be written, and the files that were: of the thread alone.

    Attributes:
        rows: of predictions that wait.
    """

    def __init__(self, files: LogFiles, days: int | None, tell: Any) -> None:
        self._files, self._days, self._tell = files, days, tell
        self._worker = uuid4().hex[:12]
        self._waiting: dict[str, deque[pa.Table]] = {}
        self._counts: deque[pa.Table] = deque()
        self._sequence = 0
        self._last: dict[tuple[str, date, str], int] = {}  # part of each kind, day and writer
        self._small: dict[tuple[str, date, str], list[list[tuple[Part, int]]]] = {}
        self._failing = False
        self._tidied: float | None = None
        self.rows = self._bytes = 0

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.rows and not self._counts

    def keep(self, release: str, batch: pa.RecordBatch, schema: pa.Schema) -> None:
        """Have rows of a release wait; the oldest go where there are too many."""
        table = pa.Table.from_batches([batch], schema)
        self._waiting.setdefault(release, deque()).append(table)
        self.rows += len(table)
        self._bytes += table.nbytes
        while self._bytes > HELD:
            longest = max(self._waiting.values(), key=len)
            oldest = longest.popleft()
            self.rows -= len(oldest)
            self._bytes -= oldest.nbytes
            metrics.LOG_DROPPED.labels("write").inc(len(oldest))

    def count(self, requests: dict[tuple[int, str, str, int], list[Any]]) -> None:
        """Have rows of requests wait."""
        rows = []
        for (minute, version, route, status), (number, seconds, buckets) in requests.items():
            self._sequence += 1
            rows.append(
                {
                    "time": minute_of(60 * minute),
                    "worker": self._worker,
                    "sequence": self._sequence,
                    "version": version,
                    "route": route,
                    "status": status,
                    "count": number,
                    "seconds": seconds,
                    "buckets": buckets,
                }
            )
        self._counts.append(pa.Table.from_pylist(rows, REQUEST))
        if len(self._counts) > FEW:
            # Of the counts nothing is left out; they are few rows.
            self._counts = deque([pa.concat_tables(self._counts).combine_chunks()])

    def flush(self) -> None:
        """Write what waits, or keep it for the next time."""
        try:
            for release, tables in self._waiting.items():
                if tables:
                    table = pa.concat_tables(tables).combine_chunks()
                    self._write(PREDICTIONS, f"{self._worker}.{release}", table)
                    metrics.LOGGED.inc(len(table))
                    self.rows -= len(table)
                    self._bytes -= sum(one.nbytes for one in tables)
                    tables.clear()
            if self._counts:
                self._write(REQUESTS, self._worker, pa.concat_tables(self._counts).combine_chunks())
                self._counts.clear()
            self._tidy()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a disk or a network, answers go on
            metrics.LOG_FAILURES.inc()
            if not self._failing:
                why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                self._tell("the log can't be written: answers wait for a while, then are left out", why=why)
            self._failing = True
            return
        if self._failing:
            self._failing = False
            self._tell("the log is written again")

    def _write(self, kind: str, writer: str, table: pa.Table) -> None:
        for day, rows in by_day(table):
            key = (kind, day, writer)
            number = self._last.get(key, 0) + 1
            part = Part(writer, number, number)
            size = self._files.write(kind, day, part, rows)
            self._last[key] = number
            self._small.setdefault(key, [[]])[0].append((part, size))

    def _tidy(self) -> None:
        """Make one file of several small ones, and remove what is too old."""
        for (kind, day, _), levels in self._small.items():
            for level in range(len(levels)):
                if len(levels[level]) >= FEW:
                    self._join(kind, day, levels, level)
        now = time.monotonic()
        if self._days is not None and (self._tidied is None or now - self._tidied >= HOUR):
            self._tidied = now
            today = clock.now().date()
            self._files.forget(today - timedelta(days=self._days))
            self._small = {key: one for key, one in self._small.items() if (today - key[1]).days < 2}
            self._last = {key: one for key, one in self._last.items() if key in self._small}

    def _join(self, kind: str, day: date, levels: list[list[tuple[Part, int]]], level: int) -> None:
        several, levels[level] = levels[level], []
        if sum(size for _, size in several) > LARGE:
            return
        parts = [part for part, _ in several]
        table = pa.concat_tables([self._files.read(kind, day, part) for part in parts]).combine_chunks()
        whole = Part(parts[0].writer, parts[0].first, parts[-1].last)
        size = self._files.write(kind, day, whole, table)
        self._files.remove(kind, day, parts)
        if level + 1 == len(levels):
            levels.append([])
        levels[level + 1].append((whole, size))
