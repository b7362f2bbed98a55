"""Records that are written as JSON, in a workbook or in a database, as tables. No torch.

Values keep the type that they have there; a column with values of several types becomes texts, and is reported.
"""

import json
import math
import sqlite3
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from lightloop.adoption.delimited import has_header, open_bytes, usable_names
from lightloop.errors import UsageError

Broken = tuple[tuple[int, str], ...]
LIST_OF_NUMBERS = pa.list_(pa.float32())


def read_json(path: Path) -> tuple[pa.Table, Broken, tuple[str, ...]]:
    """A file with a JSON object a line, or one list of objects; objects in objects become columns named `outer.inner`.

    Returns:
        The table, lines that are no object, and columns with values of several types.

    Raises:
        UsageError: it holds no object.
    """
    with open_bytes(path) as stream:
        try:
            text = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is no UTF-8 at byte {error.start}, as JSON must be: write it anew") from None
    records: list[dict[str, Any]] = []
    broken: list[tuple[int, str]] = []
    items: Iterable[tuple[int, Any]]
    if text.lstrip().startswith("["):
        items = enumerate(_whole(path, text), start=1)
    else:
        items = ((number, _line(line)) for number, line in enumerate(text.splitlines(), start=1) if line.strip())
    for number, item in items:
        if isinstance(item, dict):
            records.append(_flat(item))
        else:
            broken.append((number, "the line is no JSON object"))
    if not records:
        raise UsageError(f"{path} holds no JSON object: expected one a line, or a list of them")
    names = list(dict.fromkeys(name for record in records for name in record))
    table, mixed = to_table(names, ([record.get(name) for record in records] for name in names))
    return table, tuple(broken), mixed


def read_excel(path: Path, sheet: str | None) -> tuple[pa.Table, str, tuple[str, ...]]:
    """A sheet of a workbook; the table starts at the first row that has as many values as most.

    Returns:
        The table, the name of the sheet, and columns with values of several types.

    Raises:
        UsageError: it is no workbook, has several sheets with values and none was named, or has not the named one.
    """
    # Late: only workbooks need it.
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise UsageError(f"{path} is not a whole workbook ({error}): save it as .xlsx or .csv anew") from None
    try:
        sheets = {one.title: _cells(one) for one in book.worksheets if sheet in (None, one.title)}
        titles = [one.title for one in book.worksheets]
    finally:
        book.close()
    filled = {title: rows for title, rows in sheets.items() if len(rows) > 1}
    title = _only(path, "sheet", sheet, titles, list(filled))
    rows = filled[title]
    width = max(len(row) for row in rows)
    counts = sorted(sum(cell is not None for cell in row) for row in rows)
    usual = counts[len(counts) // 2]
    start = next(place for place, row in enumerate(rows) if sum(cell is not None for cell in row) >= 0.8 * usual)
    rows = [[*row, *[None] * (width - len(row))] for row in rows[start:]]
    shown = [["" if cell is None else str(cell) for cell in row] for row in rows[:200]]
    header = all(isinstance(cell, str | None) for cell in rows[0]) or has_header(shown)
    names = shown[0] if header else [f"column_{place}" for place in range(1, width + 1)]
    body = rows[1:] if header else rows
    kept = [place for place in range(width) if names[place] or any(row[place] is not None for row in body)]
    unique = usable_names([names[place] for place in kept])
    table, mixed = to_table(unique, ([row[place] for row in body] for place in kept))
    return table, title, mixed


def read_sqlite(path: Path, name: str | None) -> tuple[pa.Table, str, tuple[str, ...]]:
    """A table or view of an SQLite database, which is opened for reading alone.

    Returns:
        The table, its name, and columns with values of several types.

    Raises:
        UsageError: it is no database, has several tables and none was named, or has not the named one.
    """
    # Without a log of unfinished writes the file can't change while it is read, and nothing is written beside it.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    try:
        database = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True)
        try:
            tables = [
                row[0]
                for row in database.execute(
                    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' "
                    "ORDER BY name"
                )
            ]
            chosen = _only(path, "table", name, tables, tables)
            quoted = chosen.replace('"', '""')
            cursor = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a name that the database itself gave
            names = usable_names([column[0] for column in cursor.description])
            columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
        finally:
            database.close()
    except sqlite3.Error as error:
        raise UsageError(f"{path} is not a whole SQLite database ({error}): write it anew") from None
    table, mixed = to_table(names, columns)
    return table, chosen, mixed


def to_table(names: Sequence[str], columns: Iterable[Sequence[Any]]) -> tuple[pa.Table, tuple[str, ...]]:
    """A table of Python values, and the names of columns whose values are of several types, which became texts."""
    arrays, mixed = [], []
    for name, values in zip(names, columns, strict=True):
        array = _array(values)
        if array is None:
            mixed.append(name)
            array = pa.array([None if value is None else _text(value) for value in values], pa.string())
        arrays.append(array)
    return pa.table(dict(zip(names, arrays, strict=True))), tuple(mixed)


def _array(values: Sequence[Any]) -> pa.Array | None:  # noqa: PLR0911 - a type each
    """An array of the type that all values share; None where there is none."""
    kinds = {type(value) for value in values if value is not None}
    try:
        if kinds and kinds <= {list} and all(_is_series(value) for value in values if value is not None):
            return pa.array(values, LIST_OF_NUMBERS)
        if kinds <= {int, float} or len(kinds) == 1:
            if kinds & {list, dict}:
                return None
            if time in kinds:
                return None
            return pa.array(values)
        if kinds <= {datetime, date}:
            return pa.array([_moment(value) for value in values], pa.timestamp("s"))
    except (pa.ArrowException, OverflowError, TypeError):
        return None
    return None


def _moment(value: date | datetime | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day)


def _is_series(value: Any) -> bool:
    return all(item is None or (isinstance(item, int | float) and not isinstance(item, bool)) for item in value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return str(value)


def _whole(path: Path, text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is not whole JSON ({error}): expected an object a line, or a list of them") from None
    return list(found)


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _flat(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _cells(sheet: Any) -> list[list[Any]]:
    """Rows of a sheet with a value, without the empty columns before the first and after the last value."""
    rows = [list(row) for row in sheet.iter_rows(values_only=True) if any(cell is not None for cell in row)]
    if not rows:
        return []
    filled = [place for row in rows for place, cell in enumerate(row) if cell is not None]
    return [row[min(filled) : max(filled) + 1] for row in rows]


def _only(path: Path, what: str, wanted: str | None, there: Sequence[str], filled: Sequence[str]) -> str:
    """The one that was named, or the only one."""
    if wanted is not None:
        if wanted not in there:
            raise UsageError(f"{path} has no {what} {wanted!r} (it has {', '.join(there) or 'none'}): name one of them")
        if wanted not in filled:
            raise UsageError(f"the {what} {wanted!r} of {path} is empty: name another one")
        return wanted
    if not filled:
        raise UsageError(f"{path} has no {what} with records: give it some")
    if len(filled) > 1:
        raise UsageError(f"{path} has the {what}s {', '.join(filled)}: say which with --table")
    return filled[0]
