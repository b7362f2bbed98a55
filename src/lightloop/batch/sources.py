"""Files of records, read in chunks of as many rows: Parquet, CSV, JSON Lines, a folder of images or texts.

A row is what the file calls one, counted from 1: a line of values, a line of JSON that is not blank, a file of a
folder. What can't be read is a rejected row, never nothing.
"""

import csv
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lightloop.data.files import NULLS
from lightloop.data.image.input import ImageInput
from lightloop.data.image.records import IMAGE_SUFFIXES
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput
from lightloop.data.text.input import TextInput
from lightloop.errors import RefusedError, UsageError
from lightloop.serving.manifest import Manifest
from lightloop.serving.records import to_table

LINES = (".jsonl", ".ndjson")
# A field of a CSV file may be a whole text.
csv.field_size_limit(100_000_000)


@dataclass(frozen=True)
class Rejected:
    """A row that was not scored, and why."""

    row: int
    id: str | None
    reason: str


@dataclass
class Chunk:
    """Rows that follow each other.

    Attributes:
        rows: numbers of those that can be read.
        ids: of the same, None where the input has none.
        records: of the same, as `serving.records.to_table` takes them.
        rejected: rows among them that can't be read.
    """

    rows: list[int]
    ids: list[str | None]
    records: Any
    rejected: list[Rejected] = field(default_factory=list)


class Source(ABC):
    """An input; see `open_source`.

    Attributes:
        path: of the file or folder.
        id_name: the column that tells records apart, None where there is none.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.id_name: str | None = None

    @property
    @abstractmethod
    def total(self) -> int | None:
        """How many rows there are; None where only reading tells."""

    @abstractmethod
    def chunks(self, size: int, skip: int) -> Iterator[Chunk]:
        """Chunks of `size` rows, the last one of fewer, without the first `skip` rows."""

    def state(self) -> str:
        """What tells this input from another: it changes with the content, as far as size and time of change say."""
        status = self.path.stat()
        return f"{self.path.name} {status.st_size} {status.st_mtime_ns}"

    def _pick_id(self, names: list[str]) -> None:
        """The column with the data spec's id, or one that is called so."""
        said = self.manifest.config.get("data", {}).get("id")
        self.id_name = next((name for name in (said, "id") if name in names), None)

    def _expect(self, columns: pa.Schema) -> None:
        """Refuse a table without the columns that the model needs, or of other types, before any row is."""
        try:
            table = to_table(self.manifest, columns.empty_table())
            if isinstance(self.manifest.input, TabularInput):
                self.manifest.input.encode(table, {})
        except RefusedError as error:
            raise UsageError(f"{self.path}: {error}") from None


class ParquetSource(Source):
    """Batches of a Parquet file."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        super().__init__(path, manifest)
        try:
            with pq.ParquetFile(path) as file:
                columns = file.schema_arrow
                names = columns.names
                self._rows = file.metadata.num_rows
                self._groups = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
        except (pa.ArrowException, OSError) as error:
            raise UsageError(f"{path} is not a whole Parquet file ({_first(error)}): write it anew") from None
        self._pick_id(names)
        self._expect(columns)
        wanted = needed(manifest)
        self._columns = [name for name in names if name in wanted or name == self.id_name]

    @property
    def total(self) -> int:
        return self._rows

    def chunks(self, size: int, skip: int) -> Iterator[Chunk]:
        groups, start = 0, 0
        while groups < len(self._groups) and start + self._groups[groups] <= skip:
            start += self._groups[groups]
            groups += 1
        parts: list[pa.Table] = []
        held, row = 0, start
        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            left = list(range(groups, len(self._groups)))
            for batch in file.iter_batches(size, row_groups=left, columns=self._columns, use_threads=False):
                some = pa.Table.from_batches([batch])
                if row < skip:
                    ahead = min(skip - row, len(some))
                    some, row = some.slice(ahead), row + ahead
                parts.append(some)
                held += len(some)
                # Batches end with row groups; chunks do not.
                while held >= size:
                    whole = pa.concat_tables(parts)
                    yield self._chunk(whole.slice(0, size), row)
                    row, held, parts = row + size, held - size, [whole.slice(size)]
        if held:
            yield self._chunk(pa.concat_tables(parts), row)

    def _chunk(self, table: pa.Table, start: int) -> Chunk:
        ids = as_ids(table.column(self.id_name).to_pylist() if self.id_name else [None] * len(table))
        return Chunk(list(range(start + 1, start + 1 + len(table))), ids, table)


class CsvSource(Source):
    """Rows of a CSV file with a header, as text; empty cells and the usual words for it are missing values."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        super().__init__(path, manifest)
        with self._open() as file:
            self._names = next(csv.reader(file), [])
        if len(set(self._names)) != len(self._names):
            twice = next(name for name in self._names if self._names.count(name) > 1)
            raise UsageError(f"{path} has the column {twice!r} twice: name one of them otherwise")
        if not self._names:
            raise UsageError(f"{path} is empty: expected a header with the names of columns, then a line a record")
        self._pick_id(self._names)
        self._expect(pa.schema([(name, pa.string()) for name in self._names]))
        wanted = needed(manifest)
        self._places = {name: place for place, name in enumerate(self._names) if name in wanted}

    @property
    def total(self) -> None:
        return None

    def chunks(self, size: int, skip: int) -> Iterator[Chunk]:
        place = self._names.index(self.id_name) if self.id_name else None
        # A text may be "NA"; of columns of a table it is a missing value, as it is in training.
        nulls = frozenset(NULLS) if self.manifest.modality == "tabular" else frozenset()
        with self._open() as file:
            reader = enumerate(_lines(csv.reader(file)), start=1)
            next(reader, None)
            numbered = ((number - 1, values) for number, values in reader)
            for some in _grouped(islice(numbered, skip, None), size):
                good, rejected = [], []
                for row, values in some:
                    if isinstance(values, str) or len(values) != len(self._names):
                        found = f"{len(values)} values where the header has {len(self._names)}"
                        rejected.append(Rejected(row, None, values if isinstance(values, str) else found))
                    else:
                        good.append((row, values))
                columns = {
                    name: pa.array([None if one[at] in nulls else one[at] for _, one in good], pa.string())
                    for name, at in self._places.items()
                }
                ids = [one[place] if place is not None else None for _, one in good]
                yield Chunk([row for row, _ in good], as_ids(ids), pa.table(columns), rejected)

    def _open(self) -> Any:
        # What is no UTF-8 becomes U+FFFD, as in the texts of a folder.
        return self.path.open(encoding="utf-8-sig", errors="replace", newline="")


class LinesSource(Source):
    """A JSON object a line."""

    @property
    def total(self) -> None:
        return None

    def chunks(self, size: int, skip: int) -> Iterator[Chunk]:
        with self.path.open("rb") as file:
            lines = enumerate((line for line in file if line.strip()), start=1)
            for some in _grouped(islice(lines, skip, None), size):
                chunk = Chunk([], [], [])
                for row, line in some:
                    try:
                        record = json.loads(line)
                    except ValueError as error:
                        chunk.rejected.append(Rejected(row, None, f"the line is no JSON ({_first(error)})"))
                        continue
                    if not isinstance(record, dict):
                        kind = type(record).__name__
                        chunk.rejected.append(Rejected(row, None, f"the line is a {kind}: expected an object"))
                        continue
                    chunk.rows.append(row)
                    self._pick_id(list(record))
                    chunk.ids.extend(as_ids([record.get(self.id_name) if self.id_name else None]))
                    chunk.records.append(record)
                yield chunk


class FolderSource(Source):
    """The images or texts below a folder, in the order of their names; the path below it is the id."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        super().__init__(path, manifest)
        self._suffixes = IMAGE_SUFFIXES if manifest.modality == "image" else (".txt",)
        self._files = sorted(
            file
            for file in path.rglob("*")
            if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if not any(file.suffix.lower() in self._suffixes for file in self._files):
            raise UsageError(f"{path} holds no file of {', '.join(self._suffixes)}: give a folder with some")
        self.id_name = "id"

    @property
    def total(self) -> int:
        return len(self._files)

    def state(self) -> str:
        """Names, sizes and times of change of all files."""
        known = hashlib.sha256()
        for file in self._files:
            status = file.stat()
            known.update(f"{file.relative_to(self.path)} {status.st_size} {status.st_mtime_ns}\n".encode())
        return known.hexdigest()

    def chunks(self, size: int, skip: int) -> Iterator[Chunk]:
        for some in _grouped(islice(enumerate(self._files, start=1), skip, None), size):
            chunk = Chunk([], [], [])
            for row, file in some:
                name = file.relative_to(self.path).as_posix()
                if file.suffix.lower() not in self._suffixes:
                    reason = f"the file is none of {', '.join(self._suffixes)}"
                    chunk.rejected.append(Rejected(row, name, reason))
                    continue
                try:
                    content = file.read_bytes()
                except OSError as error:
                    chunk.rejected.append(Rejected(row, name, f"the file can't be read ({error.strerror})"))
                    continue
                chunk.rows.append(row)
                chunk.ids.append(name)
                chunk.records.append(
                    content if self.manifest.modality == "image" else content.decode("utf-8", errors="replace")
                )
            yield chunk


def open_source(path: Path, manifest: Manifest) -> Source:
    """The records of a file or folder, by its suffix.

    Args:
        path: of a `.parquet`, `.csv` or `.jsonl` file, or a folder of images or `.txt` files.
        manifest: of the bundle that they are for.

    Raises:
        UsageError: there is no such file, its form is not known, or it lacks a column that the model needs.
    """
    if not path.exists():
        raise UsageError(f"{path} is missing: give a file of records, or a folder of images or texts")
    if path.is_dir():
        if manifest.modality not in ("image", "text") or manifest.problem == "generation":
            raise UsageError(f"{path} is a folder, but the model takes {manifest.modality} records: give a file")
        return FolderSource(path, manifest)
    suffix = path.suffix.lower()
    if suffix in LINES:
        return LinesSource(path, manifest)
    if suffix == ".csv":
        return CsvSource(path, manifest)
    if suffix in (".parquet", ".pq"):
        return ParquetSource(path, manifest)
    raise UsageError(f"{path} is no .parquet, .csv or .jsonl file and no folder: convert it to one of them")


def needed(manifest: Manifest) -> set[str]:
    """Names of the columns that a record may be in."""
    schema, roles = manifest.input, manifest.config.get("data", {}).get("columns", {})
    features = {name for name, column in roles.items() if isinstance(column, dict) and column.get("role") == "feature"}
    match schema:
        case TabularInput(features=columns):
            return {feature.name for feature in columns}
        case SeriesInput(column=column, time=time):
            return {column} | ({time} if time else set())
        case NoiseInput(kind=kind):
            return {kind}
        case ImageInput(kind=kind) | TextInput(kind=kind):
            return {kind} | features


def as_ids(values: list[Any]) -> list[str | None]:
    """Ids as text."""
    return [None if value is None else str(value) for value in values]


def _lines(reader: Iterator[list[str]]) -> Iterator[list[str] | str]:
    """The lines of a CSV file; of one that can't be read the reason. Blank lines are none."""
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f"the line can't be read ({error})"
            continue
        if values:
            yield values


def _grouped(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while some := list(islice(items, size)):
        yield some


def _first(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
