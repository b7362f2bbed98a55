"""What the log of the service says of a span of time, with the truth where it came since.

Shapes: N predictions.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from lightloop.errors import LightloopError, UsageError
from lightloop.serving.log import HEAD, REQUEST, TAIL, TIME
from lightloop.serving.logfiles import PREDICTIONS, REQUESTS, LogFiles, days_between

ANSWERED: Final = ("current", "canary")
READERS: Final = 16  # of objects at once
LOOKS: Final = 5  # at a day whose files are replaced while they are read
FEEDBACK: Final = pa.schema(
    [
        pa.field("prediction_id", pa.string()),
        pa.field("truth", pa.string()),
        pa.field("truth_values", pa.list_(pa.float64())),
        pa.field("received", pa.string()),
    ]
)


@dataclass(frozen=True, eq=False)
class Window:
    """A span of the log.

    Attributes:
        predictions: N rows in the order of time: the columns of `serving.log` without `input`, `truth` (string) and
            `truth_values` (list of float64), each null where nothing is known.
        records: N rows: what was asked, the columns of a record; null where it was of a release that had no such one.
        requests: rows of `serving.log.REQUEST`.
        start, end: of the span, UTC; the end is not in it.
        damaged: files that could not be read, and are left out.
    """

    predictions: pa.Table
    records: pa.Table
    requests: pa.Table
    start: datetime
    end: datetime
    damaged: tuple[str, ...] = ()


def read_window(
    folder: str, feedback: str | None, start: datetime, end: datetime, slots: tuple[str, ...] = ANSWERED
) -> Window:
    """Read a span of the log, and join the truth to it.

    Args:
        folder: of the log, or `s3://bucket/prefix`. One that is not there holds nothing.
        feedback: folder of what turned out to be true; None where there is none.
        start: of the span, with a time zone.
        end: of it, which is not in it.
        slots: whose answers; `shadow` are those that nobody was given.

    Raises:
        UsageError: the span is empty, or its ends have no time zone.
        LightloopError: the folder can't be read.

    Examples:
        >>> import tempfile
        >>> from datetime import timedelta
        >>> from lightloop.serving.log import write_log
        >>> folder, now = tempfile.mkdtemp(), datetime(2026, 1, 5, tzinfo=UTC)
        >>> write_log(folder, [{"prediction_id": "a", "time": now, "input": {"age": 30.0}, "label": "good"}])
        >>> window = read_window(folder, None, now, now + timedelta(days=1))
        >>> window.predictions["label"].to_pylist(), window.records["age"].to_pylist()
        (['good'], [30.0])
    """
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise UsageError(f"the window is from {start} to {end}: expected two times with a zone, one after the other")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    files = LogFiles(folder)
    damaged: list[str] = []
    try:
        tables = _read(files, PREDICTIONS, start, end, damaged)
        requests = _requests(_read(files, REQUESTS, start, end, damaged))
        predictions, records = _predictions(tables, slots)
        truths = _truths(LogFiles(feedback), start.date(), end.date()) if feedback else None
    except OSError as error:
        raise LightloopError(f"the log in {folder} can't be read ({_short(error)}): look at the folder") from None
    return Window(_joined(predictions, truths), records, requests, start, end, tuple(damaged))


def read_requests(folder: str, start: datetime, end: datetime) -> pa.Table:
    """The counts of requests alone, of a span that may be long: rows of `serving.log.REQUEST`.

    Raises:
        LightloopError: the folder can't be read.
    """
    try:
        return _requests(_read(LogFiles(folder), REQUESTS, start.astimezone(UTC), end.astimezone(UTC), []))
    except OSError as error:
        raise LightloopError(f"the log in {folder} can't be read ({_short(error)}): look at the folder") from None


def _read(files: LogFiles, kind: str, start: datetime, end: datetime, damaged: list[str]) -> list[pa.Table]:
    inside = set(days_between(start.date(), end.date()))
    days = [day for day in files.days(kind) if day in inside]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda day: _day(files, kind, day), days))
    damaged += [name for _, wrong in found for name in wrong]
    return [_between(table, start, end) for tables, _ in found for table in tables]


def _day(files: LogFiles, kind: str, day: date) -> tuple[list[pa.Table], list[str]]:
    """The tables of a day. A file that is replaced by one that spans it is looked for again under that name."""
    for _ in range(LOOKS):
        tables, damaged = [], []
        try:
            for part in files.parts(kind, day):
                try:
                    tables.append(files.read(kind, day, part))
                except pa.ArrowInvalid:
                    damaged.append(files.path(kind, f"day={day.isoformat()}", part.name))
        except FileNotFoundError:
            continue
        return tables, damaged
    raise OSError(f"the files of {day} change all the time")


def _between(table: pa.Table, start: datetime, end: datetime) -> pa.Table:
    times = table.column("time")
    if len(table) and (pc.min(times).as_py() < start or pc.max(times).as_py() >= end):
        inside = pc.and_(pc.greater_equal(times, pa.scalar(start, TIME)), pc.less(times, pa.scalar(end, TIME)))
        return table.filter(inside)
    return table


def _predictions(tables: Iterable[pa.Table], slots: tuple[str, ...]) -> tuple[pa.Table, pa.Table]:
    """Rows in the order of time, each once; and the records, with a column each of their parts."""
    heads, records = [], []
    names = [field.name for field in (*HEAD, *TAIL)]
    for table in tables:
        kept = table.filter(pc.is_in(table.column("slot"), pa.array(slots)))
        if not len(kept):
            continue
        heads.append(kept.select(names))
        records.append(_flat(kept))
    if not heads:
        return pa.schema([*HEAD, *TAIL]).empty_table(), pa.table({})
    predictions, record = pa.concat_tables(heads), _together(records)
    order = pc.sort_indices(predictions, sort_keys=[("time", "ascending"), ("prediction_id", "ascending")])
    predictions = predictions.take(order)
    once = _once(predictions.column("prediction_id"), predictions.column("slot"))
    if once is not None:
        predictions, order = predictions.take(once), order.take(once)
    return predictions.combine_chunks(), record.take(order).combine_chunks() if record.num_columns else record


def _flat(table: pa.Table) -> pa.Table:
    if "input" not in table.column_names:
        # A table without columns has no rows either: this one is taken away again below.
        return pa.table({"": pa.nulls(len(table))})
    column = table.column("input").combine_chunks()
    parts = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(part) for part in parts])


def _together(records: list[pa.Table]) -> pa.Table:
    """One below the other. What one release has as a number and another as a text is a text."""
    kinds: dict[str, pa.DataType] = {}
    mixed: set[str] = set()
    for table in records:
        for field in table.schema:
            if kinds.setdefault(field.name, field.type) != field.type:
                mixed.add(field.name)
    for name in mixed:
        kinds[name] = pa.string()
    schema = pa.schema([pa.field(name, kind) for name, kind in kinds.items()])
    parts = [pa.table([_as(table, field, len(table)) for field in schema], schema=schema) for table in records]
    found = pa.concat_tables(parts)
    return found.drop_columns([""]) if "" in kinds else found


def _as(table: pa.Table, field: pa.Field, rows: int) -> Any:
    if field.name not in table.column_names:
        return pa.nulls(rows, field.type)
    column = table.column(field.name)
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array([None if one is None else json.dumps(one) for one in column.to_pylist()], pa.string())


def _once(*keys: pa.ChunkedArray) -> pa.Array | None:
    """Places of the first row of each key, in order; None where each is there once."""
    table = pa.table({str(number): key for number, key in enumerate(keys)})
    names = table.column_names
    table = table.append_column("place", pa.array(range(len(table)), pa.int64()))
    first = table.group_by(names, use_threads=False).aggregate([("place", "min")])
    if len(first) == len(table):
        return None
    places = first.column("place_min")
    return places.take(pc.sort_indices(places)).combine_chunks()


def _requests(tables: list[pa.Table]) -> pa.Table:
    if not tables:
        return REQUEST.empty_table()
    table = pa.concat_tables([one.select(REQUEST.names).cast(REQUEST) for one in tables])
    once = _once(table.column("worker"), table.column("sequence"))
    table = table if once is None else table.take(once)
    keys = [(name, "ascending") for name in ("time", "worker", "sequence")]
    return table.sort_by(keys).combine_chunks()


def _truths(files: LogFiles, first: date, last: date) -> pa.Table:
    """What is known of the predictions of some days: the first answer to each."""
    lines = [line for content in _contents(files, days_between(first, last)) for line in _lines(content)]
    table = pa.Table.from_pylist(lines, FEEDBACK)
    table = table.sort_by([("received", "ascending")])
    once = _once(table.column("prediction_id"))
    return table if once is None else table.take(once)


def _contents(files: LogFiles, days: list[date]) -> list[bytes]:
    """What `service.feedback` kept of some days: of each a file, or in S3 objects of its workers."""
    wanted = {day.isoformat() for day in days}
    listed = files.system.get_file_info(pafs.FileSelector(files.path(), allow_not_found=True))
    paths = sorted(str(one.path) for one in listed if one.base_name[:10] in wanted and one.extension == "jsonl")

    def content(path: str) -> bytes:
        with files.system.open_input_stream(path) as file:
            read: bytes = file.read()
        return read

    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(content, paths))


def _lines(content: bytes) -> list[dict[str, Any]]:
    found = []
    for line in content.splitlines():
        try:
            one = json.loads(line)
        except ValueError:  # half a line, of a crash
            continue
        if isinstance(one, dict) and isinstance(one.get("prediction_id"), str):
            values = one.get("values")
            found.append(
                {
                    "prediction_id": one["prediction_id"],
                    "truth": one.get("label"),
                    "truth_values": values,
                    "received": str(one.get("received", "")),
                }
            )
    return found


def _joined(predictions: pa.Table, truths: pa.Table | None) -> pa.Table:
    if truths is None or not len(truths):
        empty = [(name, pa.nulls(len(predictions), FEEDBACK.field(name).type)) for name in ("truth", "truth_values")]
        for name, values in empty:
            predictions = predictions.append_column(name, values)
        return predictions
    places = pc.index_in(predictions.column("prediction_id"), truths.column("prediction_id"))
    for name in ("truth", "truth_values"):
        predictions = predictions.append_column(name, truths.column(name).combine_chunks().take(places))
    return predictions.combine_chunks()


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
