"""What lies at the paths that were given: opened, and read into tables as it is written. The source is only read."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lightloop.adoption import delimited, documents, folders, stored
from lightloop.adoption.model import Finding, Form, Place, Source
from lightloop.config.data import Part
from lightloop.errors import UsageError

PARTS: tuple[Part, ...] = ("train", "validation", "test")
PACKED = (".gz", ".bz2", ".zst", ".lz4")
FORMS: dict[str, Form] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt", ".data", ".psv", ".dat"), "delimited"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json_lines"),
    **dict.fromkeys((".xlsx", ".xlsm"), "excel"),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), "sqlite"),
    ".arrow": "datasets",
}
TAKEN = (
    "a CSV, TSV, Parquet, JSON Lines, Excel or SQLite file, a folder of class folders with images or texts, or a "
    "folder that the datasets library saved"
)
SHOWN = 5


def open_source(paths: Sequence[str | Path], *, table: str | None = None) -> Source:
    r"""What lies there, not read but for what it takes to know how.

    Args:
        paths: one file or folder; or several files or folders of one data set as `train=a.csv`, `test=b.csv`,
            `validation=c.csv`.
        table: of a workbook or a database with several.

    Raises:
        UsageError: nothing lies there, it is of no form that is read, or can't be read.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.csv"
        ...     _ = path.write_text("x;y\n1;2\n")
        ...     source = open_source([path])
        >>> source.form, source.places["train"].dialect.delimiter
        ('delimited', ';')
    """
    if not paths:
        raise UsageError(f"nothing was given: expected {TAKEN}")
    named = _by_part(paths)
    opened = {part: _open_one(path, table) for part, path in named.items()}
    first = opened["train"]
    if len(opened) == 1:
        return first
    for part, source in opened.items():
        if source.form != first.form and "folder" in (_kind(source), _kind(first)):
            raise UsageError(
                f"{source.given[0]} is of the form {source.form}, but the training records are of the form "
                f"{first.form}: give all parts in one form"
            )
        if set(source.places) != {"train"}:
            raise UsageError(f"{source.given[0]} holds several parts itself: give it alone, or its folders by part")
        lacking = _lacking(first, source)
        if lacking:
            raise UsageError(
                f"{source.given[0]} ({part}) has no column {lacking[0]!r}, which the training records have: "
                "give files with the same columns"
            )
    return Source(
        first.form,
        tuple(source.given[0] for source in opened.values()),
        {part: source.places["train"] for part, source in opened.items()},
        first.features,
        tuple(finding for source in opened.values() for finding in source.findings),
    )


def raw_table(source: Source, part: Part) -> pa.Table:
    """All records of a part as they are written: texts of a delimited file, else of the types that they have there.

    Raises:
        UsageError: it can't be read.
    """
    return _read(source, part)[0]


def reading_findings(source: Source) -> tuple[Finding, ...]:
    """What was noticed while the parts were read: rows that are broken, names that had to be changed, mixed types."""
    if source.form in ("images", "texts"):
        return ()
    return tuple(finding for part in source.places for finding in _read(source, part)[1])


def forget_tables() -> None:
    """Let go of what was read: a large source is not held in memory for longer than it is needed."""
    _read_kept.cache_clear()


def file_form(path: Path) -> Form | None:
    """The form of a file by its suffix, that of compression left aside; None where it is not known.

    Examples:
        >>> file_form(Path("a.csv.gz")), file_form(Path("a.XLSX")), file_form(Path("a.pdf"))
        ('delimited', 'excel', None)
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes = suffixes[:-1]
        return FORMS.get(suffixes[-1]) if suffixes and FORMS.get(suffixes[-1]) in ("delimited", "json_lines") else None
    return FORMS.get(suffixes[-1]) if suffixes else None


def without_role(given: str | Path) -> Path:
    """The path of what was given, maybe with a role before it.

    Raises:
        UsageError: the role is none.

    Examples:
        >>> without_role("val=b.csv").name, without_role("b.csv").name
        ('b.csv', 'b.csv')
    """
    return Path(str(given).partition("=")[2]) if _said_part(given) else Path(given)


def _by_part(paths: Sequence[str | Path]) -> dict[Part, Path]:
    if len(paths) == 1 and not _said_part(paths[0]):
        return {"train": Path(paths[0])}
    named: dict[Part, Path] = {}
    for given in paths:
        part = _said_part(given)
        if part is None:
            raise UsageError(f"{given} has no role: with several files say train=FILE, validation=FILE, test=FILE")
        if part in named:
            raise UsageError(f"two files have the role {part}: give one each")
        named[part] = without_role(given)
    if "train" not in named:
        raise UsageError("no file has the role train: say train=FILE")
    return {part: named[part] for part in PARTS if part in named}


def _said_part(given: str | Path) -> Part | None:
    said = str(given).partition("=")[0]
    if "=" not in str(given) or Path(given).exists():
        return None
    if said not in stored.PART_NAMES:
        raise UsageError(f"{given} names the role {said!r}: expected train, validation or test")
    return stored.PART_NAMES[said]


def _open_one(path: Path, table: str | None) -> Source:
    if not path.exists():
        raise UsageError(f"{path} is missing: expected {TAKEN}")
    try:
        return _open_folder(path, table) if path.is_dir() else _open_file(path, table)
    except PermissionError as error:
        raise UsageError(f"{error.filename or path} can't be read: check its permissions") from None


def _open_file(path: Path, table: str | None) -> Source:
    form = file_form(path)
    if form is None:
        legacy = ": save it as .xlsx" if path.suffix.lower() in (".xls", ".ods") else ""
        raise UsageError(f"{path} is of no form that is read{legacy or f': expected {TAKEN}'}")
    if path.stat().st_size == 0:
        raise UsageError(f"{path} is empty: expected records")
    features = stored.parquet_features(path) if form == "parquet" else {}
    dialect = delimited.sniff(path) if form == "delimited" else None
    if table is not None and form not in ("excel", "sqlite"):
        raise UsageError(f"--table is for workbooks and databases, but {path} is neither: leave it out")
    return Source(form, (path,), {"train": Place((path,), dialect, table)}, features)


def _open_folder(path: Path, table: str | None) -> Source:
    if stored.is_datasets_folder(path):
        places, features = stored.open_datasets(path)
        return Source("datasets", (path,), places, features)
    files = folders.files_below(path)
    tables = [file for file in files if file_form(file) not in (None, "delimited") or file.suffix.lower() == ".csv"]
    form = folders.form_of(files)
    if form is not None and sum(file.suffix.lower() in folders.SUFFIXES[form] for file in files) > len(tables):
        places, findings = folders.open_folder(path, form)
        return Source(form, (path,), places, {}, findings)
    if not tables:
        raise UsageError(f"{path} holds nothing that is read: expected {TAKEN}")
    if len(tables) == 1:
        return _open_one(tables[0], table)
    by_part: dict[Part, list[Path]] = {}
    for file in tables:
        part = stored.part_of(file.name) or stored.part_of(file.parent.name)
        if part is None or (by_part.get(part) and file_form(file) != "parquet"):
            raise UsageError(
                f"{path} holds {len(tables)} files of records, whose roles are not clear ({file.name}): "
                "give them as train=FILE, test=FILE"
            )
        by_part.setdefault(part, []).append(file)
    if "train" not in by_part:
        raise UsageError(f"{path} holds no file of training records: give the files as train=FILE, test=FILE")
    opened = {part: _open_one(by_part[part][0], table) for part in PARTS if part in by_part}
    places = {
        part: Place(tuple(by_part[part]), source.places["train"].dialect, table) for part, source in opened.items()
    }
    return Source(opened["train"].form, (path,), places, opened["train"].features)


def _kind(source: Source) -> str:
    return "folder" if source.form in ("images", "texts") else "file"


def _lacking(first: Source, other: Source) -> list[str]:
    if _kind(first) == "folder":
        return []
    there = raw_table(other, "train").column_names
    return [name for name in raw_table(first, "train").column_names if name not in there]


def _read(source: Source, part: Part) -> tuple[pa.Table, tuple[Finding, ...]]:
    place = source.places[part]
    stamps = tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in place.paths)
    table, findings = _read_kept(source.form, place, stamps)
    return _with_class_names(table, source.features), findings


def _with_class_names(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """Class labels by their names, where the datasets library wrote numbers and names apart; -1 is no label."""
    for name, feature in features.items():
        names = feature.get("names") if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel" else None
        place = table.schema.get_field_index(name)
        if names and place >= 0 and pa.types.is_integer(table.schema.field(place).type):
            known = table.column(place)
            codes = pc.if_else(pc.and_(pc.greater_equal(known, 0), pc.less(known, len(names))), known, None)
            table = table.set_column(place, name, pc.take(pa.array(names, pa.string()), codes.cast(pa.int64())))
    return table


# The source is read once, not for each question about it.
@lru_cache(maxsize=3)
def _read_kept(form: Form, place: Place, stamps: Any) -> tuple[pa.Table, tuple[Finding, ...]]:  # noqa: ARG001 - a key
    path = place.paths[0]
    findings: list[Finding] = []
    mixed: tuple[str, ...] = ()
    broken: tuple[tuple[int, str], ...] = ()
    # By the file's own suffix: a folder may be of the form of its files.
    match file_form(path) or form:
        case "delimited":
            assert place.dialect is not None
            rows = delimited.read(path, place.dialect)
            table, broken = rows.table, rows.broken
            findings.extend(_about_dialect(path, place, rows))
        case "json_lines":
            table, broken, mixed = documents.read_json(path)
        case "excel":
            table, _, mixed = documents.read_excel(path, place.table)
        case "sqlite":
            table, _, mixed = documents.read_sqlite(path, place.table)
        case "parquet":
            table = stored.read_parquet(place.paths)
        case _:
            table = stored.read_arrow(place.paths)
    if not len(table) or not table.num_columns:
        raise UsageError(f"{path} has no record: give it some")
    if broken:
        shown = "; ".join(f"line {line}: {what}" if line else what for line, what in broken[:2])
        findings.append(
            Finding(
                "broken rows",
                "warning",
                (),
                f"{len(broken)} rows of {path.name} can't be read ({shown})",
                "they are left out; mend them in the source if they matter",
                tuple(str(line) for line, _ in broken[:SHOWN]),
            )
        )
    for name in mixed:
        findings.append(
            Finding(
                "mixed types",
                "warning",
                (name,),
                f"column {name!r} of {path.name} holds values of several types",
                "they are taken for texts; write one type in the source",
            )
        )
    return table, tuple(findings)


def _about_dialect(path: Path, place: Place, rows: delimited.Rows) -> list[Finding]:
    findings = []
    dialect = place.dialect
    assert dialect is not None
    if dialect.encoding not in ("utf-8", "utf-8-sig"):
        findings.append(
            Finding(
                "encoding",
                "warning",
                (),
                f"{path.name} is not UTF-8 but, as it seems, {dialect.encoding}",
                "it is read so, and written as UTF-8; look whether accents are right",
            )
        )
    if dialect.replace:
        findings.append(
            Finding(
                "encoding",
                "warning",
                (),
                f"{path.name} is UTF-8 with bytes in between that are not",
                "U+FFFD stands in their place; mend them in the source",
            )
        )
    for old, new in rows.renamed:
        said = f"the name {old!r} stands there twice" if old else "a column has no name"
        findings.append(
            Finding("names", "note", (new,), f"{said} in {path.name}", f"the column is called {new!r} here")
        )
    return findings
