"""Delimited files (CSV, TSV and their kin): how one is written, and its rows as texts. No torch.

Every value is read as text: what a column holds is decided on all of its values (`values`), never on the first block.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc_csv

from lightloop.adoption.model import Dialect
from lightloop.errors import UsageError

DELIMITERS = (",", ";", "\t", "|")
# Lines that the dialect is guessed from; the encoding is from the whole file.
LINES = 200
BLOCK = 1 << 20
# What files that are not UTF-8 are most often written in, looked through by charset-normalizer.
ENCODINGS = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "koi8_r", "mac_roman"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
]
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
REPLACED = "\N{REPLACEMENT CHARACTER}"
# A field may be a whole text.
csv.field_size_limit(100_000_000)


@dataclass(frozen=True)
class Rows:
    """What was read.

    Attributes:
        table: of texts.
        broken: line numbers, from 1, of rows with another number of values than the header, and what they hold.
        renamed: names that stood there twice or not at all, and what they became.
    """

    table: pa.Table
    broken: tuple[tuple[int, str], ...]
    renamed: tuple[tuple[str, str], ...]


def sniff(path: Path) -> Dialect:
    """How a delimited file is written; compressed files (.gz, .bz2, .zst) are looked into.

    Raises:
        UsageError: it is empty, or no text.
    """
    encoding, replace = _encoding(path)
    with open_bytes(path) as stream:
        text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(stream.read(BLOCK))
    lines = list(islice(io.StringIO(text, newline=""), LINES + 50))
    if len(text) >= BLOCK // 4 and len(lines) <= LINES:
        lines = lines[:-1] or lines
    if not "".join(lines).strip():
        raise UsageError(f"{path} is empty: expected a header with the names of columns, then a line a record")
    skip = _comments(lines)
    body = lines[skip:]
    quote = _quote(body)
    delimiter, width = _delimiter(body, quote)
    skip += _titles(body, delimiter, quote, width)
    header = has_header(_rows(lines[skip:], delimiter, quote))
    return Dialect(encoding, delimiter, quote, header=header, skip=skip, replace=replace)


def read(path: Path, dialect: Dialect) -> Rows:
    """All rows of a delimited file as texts.

    Raises:
        UsageError: it can't be read as what it seemed to be.
    """
    names, width = _names(path, dialect)
    unique = usable_names(names)
    broken: list[tuple[int, str]] = []

    def keep(row: pc_csv.InvalidRow) -> str:
        broken.append((row.number or 0, f"{row.actual_columns} values where {row.expected_columns} were expected"))
        return "skip"

    # Line breaks inside of quotes make reading slow, so only where there are quotes at all.
    skipped = dialect.skip + (1 if dialect.header else 0)
    try:
        with open_bytes(path) as stream:
            table = pc_csv.read_csv(
                _replaced(stream) if dialect.replace else stream,
                pc_csv.ReadOptions(
                    column_names=unique,
                    skip_rows=dialect.skip,
                    skip_rows_after_names=1 if dialect.header else 0,
                    encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
                    block_size=16 * BLOCK,
                    use_threads=False,
                ),
                pc_csv.ParseOptions(
                    delimiter=dialect.delimiter,
                    quote_char=dialect.quote,
                    newlines_in_values=True,
                    invalid_row_handler=keep,
                ),
                pc_csv.ConvertOptions(
                    column_types=dict.fromkeys(unique, pa.string()),
                    null_values=[],
                    strings_can_be_null=False,
                    check_utf8=True,
                ),
            )
    except (pa.ArrowException, OSError, UnicodeError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"{path} can't be read as a table of {width} columns divided by {dialect.delimiter!r} ({reason}): "
            "mend the file"
        ) from None
    renamed = tuple((old, new) for old, new in zip(names, unique, strict=True) if old != new)
    return Rows(table, tuple((line + (0 if line else skipped), what) for line, what in broken), renamed)


def open_bytes(path: Path) -> pa.NativeFile:
    """A file's bytes, decompressed by its suffix.

    Raises:
        UsageError: it can't be opened.
    """
    try:
        return pa.input_stream(str(path), compression="detect")
    except OSError as error:
        raise UsageError(f"{path} can't be read ({error.strerror or error}): check it and its permissions") from None


def usable_names(names: Sequence[str]) -> list[str]:
    """Names of columns, each there once and none empty.

    Examples:
        >>> usable_names(["", "a", "a "])
        ['column_1', 'a', 'a_2']
    """
    taken: set[str] = set()
    unique = []
    for place, given in enumerate(names, start=1):
        name = base = " ".join(given.split()) or f"column_{place}"
        number = 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        unique.append(name)
    return unique


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of some rows names the columns.

    It does not where one of its values is a number below which numbers stand, or a text that stands in its column
    again. Numbers that follow each other, such as years, are names.

    Examples:
        >>> has_header([["age", "town"], ["3", "Rome"], ["5", "Bonn"]])
        True
        >>> has_header([["3", "Rome"], ["5", "Bonn"]]), has_header([["ham", "hi"], ["spam", "win"], ["ham", "yo"]])
        (False, False)
    """
    if len(rows) < 2:
        return True
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if _consecutive(first):
        return True
    for place, cell in enumerate(first):
        below = [row[place].strip() for row in rest if place < len(row) and row[place].strip()]
        if _is_number(cell) and below and sum(map(_is_number, below)) >= 0.5 * len(below):
            return False
        if cell and not _is_number(cell) and below.count(cell) >= max(1, 0.02 * len(below)):
            return False
    return True


def _replaced(stream: pa.NativeFile) -> pa.BufferReader:
    """UTF-8 in which U+FFFD stands for what is none."""
    return pa.BufferReader(stream.read().decode("utf-8", errors="replace").encode())


def _encoding(path: Path) -> tuple[str, bool]:
    """UTF-8 where all of the file is; else what it seems to be, and whether that is UTF-8 with damage."""
    with open_bytes(path) as stream:
        try:
            head = stream.read(BLOCK)
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"{path} can't be decompressed ({str(error).partition(':')[0]}): write it anew") from None
        for mark, name in BOMS:
            if head.startswith(mark):
                return name, False
        if b"\0" in head:
            return _without_mark(path, head), False
        decoder = codecs.getincrementaldecoder("utf-8")()
        block = head
        try:
            while block:
                decoder.decode(block)
                block = stream.read(BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            text = block.decode("utf-8", errors="replace")
            foreign = sum(not character.isascii() for character in text)
            # Bytes of another encoding hardly ever look like UTF-8: where most do, some are damaged.
            damaged = text.count(REPLACED)
            return ("utf-8", True) if foreign >= 5 * damaged else (_other(block), False)
    return "utf-8", False


def _without_mark(path: Path, head: bytes) -> str:
    """UTF-16 without a byte order mark has zeros at every second place; anything else is no text."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > 0.6 * len(head) / 2 and min(even, odd) < 0.1 * len(head) / 2:
        return "utf-16-le" if odd > even else "utf-16-be"
    raise UsageError(f"{path} is no text: expected CSV, TSV, JSON Lines, Parquet, Excel or SQLite with its own suffix")


def _other(block: bytes) -> str:
    """The encoding of bytes that are no UTF-8."""
    # Late: its tables take a tenth of a second.
    from charset_normalizer import from_bytes

    # Only lines with other bytes than ASCII say something.
    lines = [line for line in block.splitlines() if not line.isascii()]
    found = from_bytes(b"\n".join(lines[:2_000]), cp_isolation=ENCODINGS).best()
    if found is None:
        return "cp1252"
    # Of encodings that say the same, the usual one.
    return next((name for name in ENCODINGS if _same(bytes(found.raw), name, str(found))), found.encoding)


def _same(content: bytes, encoding: str, text: str) -> bool:
    try:
        return content.decode(encoding) == text
    except UnicodeDecodeError:
        return False


def _comments(lines: Sequence[str]) -> int:
    """Blank lines and comments at the top."""
    skip = 0
    while skip < len(lines) - 1 and (not lines[skip].strip() or lines[skip].lstrip().startswith("#")):
        skip += 1
    return skip


def _titles(lines: Sequence[str], delimiter: str, quote: str, width: int) -> int:
    """Lines above the table, which have fewer values than it."""
    for place, line in enumerate(lines[:10]):
        values = len(next(csv.reader([line], delimiter=delimiter, quotechar=quote), []))
        if values >= max(2, width - 1) or (values and width < 2) or line.count(quote) % 2:
            return place
    return 0


def _quote(lines: Sequence[str]) -> str:
    """The quotation mark: the single one only where it encloses many values and the double one none."""
    text = "".join(lines)
    enclosed = sum(line.lstrip().startswith("'") or line.rstrip().endswith("'") for line in lines)
    return "'" if '"' not in text and enclosed > 0.5 * len(lines) else '"'


def _delimiter(lines: Sequence[str], quote: str) -> tuple[str, int]:
    """The character that divides most lines into the same number of values, and that number."""
    best, delimiter, most = 0.0, ",", 1
    for candidate in DELIMITERS:
        widths = [len(row) for row in _rows(lines, candidate, quote)]
        if not widths:
            continue
        width, count = Counter(widths).most_common(1)[0]
        if width < 2:
            continue
        # The first line counts: a decimal comma divides numbers as regularly as a delimiter does, but not the header.
        score = count / len(widths) + (0.5 if abs(widths[0] - width) <= 1 else 0.0)
        if score > best + 1e-9 or (score > best - 1e-9 and candidate == "\t"):
            best, delimiter, most = score, candidate, width
    return delimiter, most


def _rows(lines: Sequence[str], delimiter: str, quote: str) -> list[list[str]]:
    """Rows that are not blank; the last may be cut off, so it is left out where there are others."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=delimiter, quotechar=quote):
            if row:
                rows.append(row)
    except csv.Error:
        return rows
    return rows[:LINES]


def _names(path: Path, dialect: Dialect) -> tuple[list[str], int]:
    """The names of the columns as the file has them, and how many values a row has."""
    with open_bytes(path) as stream:
        text = codecs.getincrementaldecoder(dialect.encoding)(errors="replace").decode(stream.read(BLOCK))
    lines = list(io.StringIO(text, newline=""))[dialect.skip :]
    rows = _rows(lines, dialect.delimiter, dialect.quote)
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    if not dialect.header:
        return [f"column_{place}" for place in range(1, width + 1)], width
    names = rows[0]
    # R writes the names of rows without a name of their column.
    return (["", *names] if len(names) + 1 == width else names), width


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _consecutive(cells: Sequence[str]) -> bool:
    """Whether the values, but perhaps the first, are whole numbers that follow each other."""
    tail = cells[1:] if cells and not cells[0].isdigit() else cells
    if len(tail) < 3 or not all(cell.isdigit() for cell in tail):
        return False
    steps = {int(later) - int(former) for former, later in pairwise(tail)}
    return len(steps) == 1 and steps != {0}
