"""Where the log of the service lies: Parquet files by day, in a folder or under `s3://bucket/prefix`.

    FOLDER/predictions/day=2026-01-05/WRITER-00000001-00000001.parquet
    FOLDER/requests/day=2026-01-05/...

A file has the name of its writer and the span of its parts. Several small files become one that spans them all; whoever
reads leaves out what another one spans, so that it does not matter when the small ones are removed. A file is there
whole or not at all: it is renamed into place, or is an object of S3.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

PREDICTIONS: Final = "predictions"
REQUESTS: Final = "requests"
KINDS: Final = (PREDICTIONS, REQUESTS)
CLOUD: Final = "s3://"
CONNECT: Final = 3.0  # seconds that S3 may take to be reached
ANSWER: Final = 20.0  # seconds that S3 may take to answer
NAME: Final = re.compile(r"(?P<writer>[0-9a-z.]+)-(?P<first>\d{8})-(?P<last>\d{8})\.parquet")
DAY: Final = re.compile(r"day=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, order=True)
class Part:
    """A file of a day by its name.

    Attributes:
        writer: who wrote it.
        first, last: parts of that writer and day that are in it.

    Examples:
        >>> Part("ab12", 1, 16).name, Part.of("ab12-00000001-00000016.parquet")
        ('ab12-00000001-00000016.parquet', Part(writer='ab12', first=1, last=16))
        >>> Part.of("half.tmp") is None
        True
    """

    writer: str
    first: int
    last: int

    @property
    def name(self) -> str:
        """Of the file."""
        return f"{self.writer}-{self.first:08d}-{self.last:08d}.parquet"

    @classmethod
    def of(cls, name: str) -> "Part | None":
        """That of a file's name; None where it is no file of the log."""
        found = NAME.fullmatch(name)
        return cls(found["writer"], int(found["first"]), int(found["last"])) if found else None


def valid(parts: Iterable[Part]) -> list[Part]:
    """Those that no other one spans, in order.

    Examples:
        >>> valid([Part("a", 1, 1), Part("a", 2, 2), Part("a", 1, 2), Part("b", 1, 1)])
        [Part(writer='a', first=1, last=2), Part(writer='b', first=1, last=1)]
    """
    found: list[Part] = []
    # Of those that begin together the widest comes first.
    for part in sorted(parts, key=lambda one: (one.writer, one.first, -one.last)):
        if not found or found[-1].writer != part.writer or found[-1].last < part.last:
            found.append(part)
    return found


class LogFiles:
    """The files of one log.

    Examples:
        >>> import tempfile
        >>> files = LogFiles(tempfile.mkdtemp())
        >>> files.write("requests", date(2026, 1, 5), Part("ab", 1, 1), pa.table({"count": [3]})) > 0
        True
        >>> files.days("requests"), files.parts("requests", date(2026, 1, 5))
        ([datetime.date(2026, 1, 5)], [Part(writer='ab', first=1, last=1)])
    """

    def __init__(self, folder: str | Path) -> None:
        """Nothing is opened yet.

        Args:
            folder: on this machine, or `s3://bucket/prefix`: credentials and region as the AWS SDK finds them,
                `AWS_ENDPOINT_URL` is another server.
        """
        self.folder = str(folder)
        self._local = not self.folder.startswith(CLOUD)
        self._system: pafs.FileSystem | None = None

    @property
    def system(self) -> pafs.FileSystem:
        """The file system, opened at the first use: to open that of S3 starts threads."""
        if self._system is None:
            self._system = pafs.LocalFileSystem() if self._local else _cloud()
        return self._system

    def path(self, *parts: str) -> str:
        """Of something in the folder, as the file system takes it."""
        return "/".join((self.folder.removeprefix(CLOUD).rstrip("/"), *parts))

    def write(self, kind: str, day: date, part: Part, table: pa.Table) -> int:
        """Write a file that is there whole or not at all.

        Returns:
            Its bytes.

        Raises:
            OSError: it can't be written.
        """
        stream = pa.BufferOutputStream()
        pq.write_table(table, stream, compression="zstd")
        content = stream.getvalue()
        folder = self.path(kind, f"day={day.isoformat()}")
        if self._local:
            _put(Path(folder), part.name, content)
        else:
            with self.system.open_output_stream(f"{folder}/{part.name}") as file:
                file.write(content)
        return content.size

    def read(self, kind: str, day: date, part: Part) -> pa.Table:
        """A file.

        Raises:
            FileNotFoundError: it was removed meanwhile.
            OSError: it can't be read.
            pa.ArrowInvalid: it is damaged.
        """
        path = self.path(kind, f"day={day.isoformat()}", part.name)
        with self.system.open_input_file(path) as file:
            return pq.read_table(file, use_threads=False)

    def remove(self, kind: str, day: date, parts: Iterable[Part]) -> None:
        """Remove files; what is gone already is no matter."""
        for part in parts:
            try:
                self.system.delete_file(self.path(kind, f"day={day.isoformat()}", part.name))
            except FileNotFoundError:
                continue

    def days(self, kind: str) -> list[date]:
        """Of which there is something, in order.

        Raises:
            OSError: the folder can't be read.
        """
        found = (DAY.fullmatch(name) for name, _ in self._listed(self.path(kind)))
        return sorted(date.fromisoformat(match[1]) for match in found if match)

    def parts(self, kind: str, day: date) -> list[Part]:
        """The files of a day that are to be read."""
        names = (name for name, _ in self._listed(self.path(kind, f"day={day.isoformat()}")))
        return valid(part for part in map(Part.of, names) if part)

    def forget(self, before: date) -> int:
        """Remove all days before one.

        Returns:
            How many were removed.
        """
        count = 0
        for kind in KINDS:
            for day in [one for one in self.days(kind) if one < before]:
                self.system.delete_dir(self.path(kind, f"day={day.isoformat()}"))
                count += 1
        return count

    def _listed(self, path: str) -> list[tuple[str, bool]]:
        selector = pafs.FileSelector(path, allow_not_found=True)
        return [(one.base_name, one.type == pafs.FileType.File) for one in self.system.get_file_info(selector)]


def days_between(start: date, end: date) -> list[date]:
    """From the one to the other, both of them too.

    Examples:
        >>> len(days_between(date(2026, 1, 31), date(2026, 2, 1)))
        2
    """
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


def _put(folder: Path, name: str, content: pa.Buffer) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f".{name}.half"
    try:
        with half.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(folder / name)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _cloud() -> pafs.FileSystem:
    # The SDK itself looks for credentials and region; only the address of another server is left to us.
    return pafs.S3FileSystem(
        endpoint_override=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        connect_timeout=CONNECT,
        request_timeout=ANSWER,
        allow_delayed_open=True,  # a small object is one request instead of three
    )
