"""The log of the service: what a row of it is, and the rows of predictions as a table.

`predictions` has a row a record that was answered, `requests` a row a minute, worker, version, route and status, or
several that add up. Files: `serving.logfiles`. Who writes: `service.recording`; who reads: `monitoring.window`.

Shapes: N rows.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2s
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lightloop.serving.logfiles import PREDICTIONS, REQUESTS, LogFiles, Part

# Upper ends in seconds of the counts of requests, each a quarter above the last; the last count is of all beyond.
EDGES: Final = tuple(round(0.0005 * 1.25**step, 7) for step in range(48))
TIME: Final = pa.timestamp("ms", tz="UTC")
# Of `predictions`, before and behind `input`: the record in the raw form of the bundle's input, as a struct.
HEAD: Final = (
    pa.field("prediction_id", pa.string()),
    pa.field("time", TIME),
    pa.field("version", pa.string()),
    pa.field("digest", pa.string()),
    # current, canary or shadow; a shadow's row has the id of the answer that was given instead of its own.
    pa.field("slot", pa.string()),
    pa.field("route", pa.string()),
    # Asked from the page of the service, by a person who tries it.
    pa.field("page", pa.bool_()),
    pa.field("seconds", pa.float32()),
)
TAIL: Final = (
    pa.field("label", pa.string()),
    pa.field("probability", pa.float32()),
    pa.field("probabilities", pa.list_(pa.float32())),
    pa.field("values", pa.list_(pa.float64())),
    pa.field("abstains", pa.bool_()),
    pa.field("novelty", pa.float32()),
    pa.field("warnings", pa.int16()),
)
REQUEST: Final = pa.schema(
    [
        pa.field("time", TIME),  # the beginning of the minute
        pa.field("worker", pa.string()),
        pa.field("sequence", pa.int64()),  # of the worker's rows: a row is counted once, however often it is read
        pa.field("version", pa.string()),
        pa.field("route", pa.string()),
        pa.field("status", pa.int16()),
        pa.field("count", pa.int64()),
        pa.field("seconds", pa.float64()),  # of all of them together
        pa.field(
            "buckets", pa.list_(pa.int64())
        ),  # how many of them took at most `EDGES`, and longer than the one before
    ]
)
USUAL: Final[dict[str, Any]] = {"slot": "current", "route": "/v1/predict", "page": False, "warnings": 0}


def prediction_schema(record: pa.StructType | None) -> pa.Schema:
    """Of `predictions`, with the record's columns as `input`; None where nothing of a record is kept."""
    between = [pa.field("input", record)] if record is not None and record.num_fields else []
    return pa.schema([*HEAD, *between, *TAIL])


def drawn(prediction_id: str, share: float, what: str = "log") -> bool:
    """Whether a prediction is in a sample: always the same answer for the same id.

    Args:
        prediction_id: of an answer.
        share: of all predictions that are in the sample, 0 to 1.
        what: the sample is for; samples for different things are independent of each other.

    Examples:
        >>> drawn("a", 1.0), drawn("a", 0.0), drawn("a", 0.5) == drawn("a", 0.5)
        (True, False, True)
    """
    if share >= 1.0:
        return True
    digest = blake2s(prediction_id.encode(), digest_size=8, person=what.encode()[:8]).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def bucket(seconds: float) -> int:
    """The place of a request in `buckets`.

    Examples:
        >>> bucket(0.0001), bucket(EDGES[3]), bucket(1e9) == len(EDGES)
        (0, 3, True)
    """
    return bisect_left(EDGES, seconds)


def write_log(
    folder: str | Path,
    rows: Sequence[Mapping[str, Any]],
    requests: Sequence[Mapping[str, Any]] = (),
    *,
    writer: str = "written",
) -> None:
    """Write rows into a log, as the service would have: to replay what was, and for tests.

        write_log(folder, [{"prediction_id": "a", "time": now, "input": {"age": 30.0}, "label": "good"}])

    Args:
        folder: of the log.
        rows: of `predictions` by the names of the columns; what is left out is null, and of a row that says no `slot`,
            `route`, `page` or `warnings` the usual. The types of `input` are those of its values.
        requests: of `requests`.
        writer: a name that no other writer of the same days has, of small letters and digits.
    """
    files = LogFiles(folder)
    if rows:
        record = pa.array([row.get("input") for row in rows])
        kind = record.type if pa.types.is_struct(record.type) else None
        schema = prediction_schema(kind)
        table = pa.Table.from_pylist([{**USUAL, **row} for row in rows], schema)
        for day, part in by_day(table):
            files.write(PREDICTIONS, day, Part(writer, 1, 1), part)
    if requests:
        numbered = [{"worker": writer, "sequence": number, **row} for number, row in enumerate(requests)]
        for day, part in by_day(pa.Table.from_pylist(numbered, REQUEST)):
            files.write(REQUESTS, day, Part(writer, 1, 1), part)


def by_day(table: pa.Table) -> list[tuple[date, pa.Table]]:
    """The rows of each day (UTC), in order.

    Examples:
        >>> times = pa.array([datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)], TIME)
        >>> [(day.isoformat(), part.num_rows) for day, part in by_day(pa.table({"time": times}))]
        [('2026-01-05', 1), ('2026-01-06', 1)]
    """
    days = pc.floor_temporal(table.column("time"), unit="day")
    found = sorted(pc.unique(days).to_pylist())
    if len(found) == 1:
        return [(found[0].date(), table)]
    return [(one.date(), table.filter(pc.equal(days, pa.scalar(one, TIME)))) for one in found]


def minute_of(seconds: float) -> datetime:
    """The beginning of the minute in which a time is, from seconds since 1970."""
    return datetime.fromtimestamp(seconds // 60 * 60, UTC)
