"""The output of a batch as part files, so that a killed run goes on where it was and ends with the same bytes.

Beside OUTPUT lies the folder `OUTPUT.parts` until all is scored: `state.json` (of which input and bundle), and for each
part a file of answers and one of rejected rows. A part is there whole or not at all. In the end the parts are put
together and the folder goes.
"""

import base64
import csv
import fcntl
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from lightloop.batch.sources import LINES, Rejected
from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json, replacing, write_json

Form = Literal["parquet", "csv", "jsonl"]
STATE, LOCK = "state.json", "lock"


def form_of(path: Path) -> Form:
    """The form of an output by its suffix.

    Raises:
        UsageError: it has another one.

    Examples:
        >>> form_of(Path("answers.csv"))
        'csv'
    """
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return "parquet"
    if suffix == ".csv":
        return "csv"
    if suffix in LINES:
        return "jsonl"
    raise UsageError(f"{path} ends with {suffix or 'nothing'}: name an output of .parquet, .csv or .jsonl")


def rejected_path(output: Path) -> Path:
    """Where the rows that were not scored are told."""
    return output.with_name(f"{output.name}.rejected.jsonl")


class Parts:
    """The parts of one output, made by `Parts.open`."""

    def __init__(self, output: Path, schema: pa.Schema) -> None:
        self.output = output
        self.schema = schema
        self.form = form_of(output)
        self.folder = output.with_name(f"{output.name}.parts")

    @classmethod
    @contextmanager
    def open(cls, output: Path, schema: pa.Schema, state: dict[str, Any]) -> Iterator["Parts"]:
        """The parts that a killed run left of the same output, else none.

        Args:
            output: to write in the end.
            schema: of its rows.
            state: what the answers follow from; parts of another state are thrown away.

        Raises:
            UsageError: another process writes the same output.
        """
        parts = cls(output, schema)
        parts.folder.mkdir(parents=True, exist_ok=True)
        with (parts.folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"another process writes {output} just now: wait for it, or name another output"
                ) from None
            if not parts._same(state):
                for left in parts.folder.iterdir():
                    if left.name != LOCK:
                        left.unlink()
                write_json(parts.folder / STATE, state)
            yield parts

    def done(self) -> list[int]:
        """The rows of the input that each whole part stands for, from the first part on."""
        rows: list[int] = []
        while (path := self._note(len(rows))).exists():
            rows.append(int(read_json(path)["rows"]))
        return rows

    def counts(self) -> tuple[int, int]:
        """How many rows of the whole parts were scored, and how many were rejected."""
        notes = [read_json(self._note(number)) for number in range(len(self.done()))]
        return sum(note["scored"] for note in notes), sum(note["rejected"] for note in notes)

    def add(self, number: int, rows: int, table: pa.Table, rejected: list[Rejected]) -> None:
        """Write a part: what stands for `rows` rows of the input."""
        lines = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in rejected)
        self._rejected(number).write_text(lines, encoding="utf-8", errors="replace")
        with replacing(self._answers(number)) as temporary:
            if self.form == "parquet":
                pq.write_table(table, temporary, compression="zstd")
            else:
                temporary.write_bytes(_text(table, self.form))
        # The note comes last: where it is, all is.
        write_json(self._note(number), {"rows": rows, "scored": len(table), "rejected": len(rejected)})

    def finish(self) -> None:
        """Put the parts together as the output and its list of rejected rows; the folder goes."""
        count = len(self.done())
        with replacing(self.output) as temporary:
            if self.form == "parquet":
                with pq.ParquetWriter(temporary, self.schema, compression="zstd") as writer:
                    for number in range(count):
                        writer.write_table(pq.read_table(self._answers(number), schema=self.schema))
            else:
                with temporary.open("wb") as file:
                    if self.form == "csv":
                        file.write(_line(self.schema.names))
                    _append(file, [self._answers(number) for number in range(count)])
        lists = [path for path in map(self._rejected, range(count)) if path.stat().st_size]
        if lists:
            with replacing(rejected_path(self.output)) as temporary, temporary.open("wb") as file:
                _append(file, lists)
        else:
            rejected_path(self.output).unlink(missing_ok=True)
        shutil.rmtree(self.folder)

    def _same(self, state: dict[str, Any]) -> bool:
        try:
            return (self.folder / STATE).exists() and read_json(self.folder / STATE) == state
        except LightloopError:
            return False

    def _answers(self, number: int) -> Path:
        return self.folder / f"{number:06d}.{self.form}"

    def _rejected(self, number: int) -> Path:
        return self.folder / f"{number:06d}.rejected.jsonl"

    def _note(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"


def _append(file: io.BufferedWriter, paths: list[Path]) -> None:
    for path in paths:
        with path.open("rb") as part:
            shutil.copyfileobj(part, file)


def _text(table: pa.Table, form: Form) -> bytes:
    """Rows as lines of JSON, or of CSV, where what is no plain value is JSON in its cell."""
    rows = (_plain(row) for row in table.to_pylist())
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(errors="replace")
    return b"".join(
        _line(
            [
                json.dumps(one, ensure_ascii=False) if isinstance(one, dict | list | bool) else one
                for one in row.values()
            ]
        )
        for row in rows
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no bytes: an image is Base64."""
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in row.items()
    }


def _line(values: list[Any]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(values)
    return stream.getvalue().encode(errors="replace")
