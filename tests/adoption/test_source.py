"""Every form of a source is read to the same records, and what can't be read is one sentence."""

import bz2
import gzip
import json
import sqlite3
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adoption_cases import customers, guessed, save, write_images, write_texts

from lightloop.adoption.model import Dialect
from lightloop.adoption.profile import forget_values, values_of
from lightloop.adoption.reading import folder_files, linkable, read_part
from lightloop.adoption.source import forget_tables, open_source, raw_table, reading_findings
from lightloop.errors import UsageError

FORMS = [
    "csv",
    "csv.gz",
    "csv.bz2",
    "tsv",
    "semicolon",
    "utf16",
    "cp1252",
    "parquet",
    "jsonl",
    "json",
    "xlsx",
    "sqlite",
]


def write(table: pd.DataFrame, form: str, folder: Path) -> Path:
    path = folder / f"records.{'csv' if form in ('semicolon', 'utf16', 'cp1252') else form}"
    match form:
        case "csv":
            table.to_csv(path, index=False)
        case "csv.gz":
            path.write_bytes(gzip.compress(table.to_csv(index=False).encode()))
        case "csv.bz2":
            path.write_bytes(bz2.compress(table.to_csv(index=False).encode()))
        case "tsv":
            table.to_csv(path, index=False, sep="\t")
        case "semicolon":
            table.to_csv(path, index=False, sep=";", decimal=",")
        case "utf16":
            table.to_csv(path, index=False, encoding="utf-16")
        case "cp1252":
            table.to_csv(path, index=False, encoding="cp1252")
        case "parquet":
            table.to_parquet(path, index=False)
        case "jsonl":
            table.to_json(path, orient="records", lines=True)
        case "json":
            table.to_json(path, orient="records")
        case "xlsx":
            table.to_excel(path, index=False)
        case "sqlite":
            with sqlite3.connect(path) as database:
                table.to_sql("records", database, index=False)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_records(form: str, tmp_path: Path) -> None:
    table = customers()
    path = write(table, form, tmp_path)
    before = path.read_bytes()
    source, guess = guessed(path)
    read = read_part(source, guess, "train").to_pandas()
    assert (guess.modality, guess.problem, guess.target.name) == ("tabular", "classification", "churned")
    assert read["spent"].to_numpy() == pytest.approx(table["spent"].to_numpy())
    for name in ("orders", "town", "size", "churned"):
        assert read[name].tolist() == table[name].tolist()
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("seed", range(8))
def test_delimited_files_of_any_dialect_come_back(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    delimiter, quote = rng.choice([",", ";", "\t", "|"]), '"'
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    odd = ["plain", "a, b", "x; y", 'say "so"', "Größe", "two\nlines", " padded "]
    table = pd.DataFrame(
        {"note": rng.choice(odd, 60), "value": rng.normal(size=60).round(3), "größe": rng.integers(0, 9, 60)}
    )
    path = tmp_path / "odd.csv"
    table.to_csv(path, index=False, sep=delimiter, quotechar=quote, encoding=encoding)
    source = open_source([path])
    dialect = source.places["train"].dialect
    assert dialect is not None
    assert dialect.delimiter == delimiter
    raw = raw_table(source, "train")
    assert raw.column_names == list(table.columns)
    assert raw.column("note").to_pylist() == table["note"].tolist()
    assert [float(value) for value in raw.column("value").to_pylist()] == table["value"].tolist()


@pytest.mark.parametrize(
    ("content", "dialect", "names"),
    [
        ("a,b\n1,2\n3,4\n", Dialect(), ["a", "b"]),
        ("1,2\n3,4\n", Dialect(header=False), ["column_1", "column_2"]),
        ("ham\thello you\nspam\twin\nham\tbye\n", Dialect(delimiter="\t", header=False), ["column_1", "column_2"]),
        ("# note\nSales of 2020\n\na;b;c\n1;2;3\n4;5;6\n", Dialect(delimiter=";", skip=3), ["a", "b", "c"]),
        ('"x","y"\n"r1",1,2\n"r2",3,4\n', Dialect(), ["column_1", "x", "y"]),
        ("name,2001,2002,2003\na,1,2,3\nb,4,5,6\n", Dialect(), ["name", "2001", "2002", "2003"]),
        ("only\n1\n2\n", Dialect(), ["only"]),
        ("a,a,\n1,2,3\n", Dialect(), ["a", "a_2", "column_3"]),
        ("'a','b'\n'x, y','1'\n'z','2'\n", Dialect(quote="'"), ["a", "b"]),
    ],
)
def test_the_dialect_of_a_file(content: str, dialect: Dialect, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text(content)
    source = open_source([path])
    assert source.places["train"].dialect == dialect
    assert raw_table(source, "train").column_names == names


def test_a_byte_that_is_no_text_does_not_change_the_encoding_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"town,n\n" + "Köln,1\n".encode() * 20 + b"K\xf6ln,2\n")
    source = open_source([path])
    assert raw_table(source, "train").column("town").to_pylist() == ["Köln"] * 20 + ["K\N{REPLACEMENT CHARACTER}ln"]
    assert [finding.kind for finding in reading_findings(source)] == ["encoding"]


def test_rows_with_too_few_values_are_left_out_and_told_of(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("a,b\n1,2\n3\n4,5\n")
    source = open_source([path])
    assert raw_table(source, "train").column("a").to_pylist() == ["1", "4"]
    assert "1 rows of file.csv can't be read" in reading_findings(source)[0].text


def test_json_lines_that_are_no_objects_are_told_of_and_objects_in_objects_become_columns(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text('{"a": {"b": 1}, "c": "x"}\n{broken\n[1]\n{"a": {"b": 2}, "d": [1, 2.5]}\n')
    source = open_source([path])
    table = raw_table(source, "train")
    assert table.to_pydict() == {"a.b": [1, 2], "c": ["x", None], "d": [None, [1.0, 2.5]]}
    assert reading_findings(source)[0].records == ("2", "3")


def test_a_workbook_begins_where_the_table_does_and_one_sheet_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    table = customers(30)
    with pd.ExcelWriter(path) as writer:
        table.to_excel(writer, sheet_name="data", index=False, startrow=3, startcol=1)
        pd.DataFrame({"a": [1, 2]}).to_excel(writer, sheet_name="more", index=False)
    with pytest.raises(UsageError, match=r"has the sheets data, more: say which with --table"):
        raw_table(open_source([path]), "train")
    source = open_source([path], table="data")
    assert raw_table(source, "train").column_names == list(table.columns)
    assert raw_table(source, "train").column("orders").to_pylist() == table["orders"].tolist()
    with pytest.raises(UsageError, match=r"has no sheet 'none' \(it has data, more\)"):
        raw_table(open_source([path], table="none"), "train")


def test_a_database_is_not_touched_and_one_table_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "odd name #1.db"
    with sqlite3.connect(path) as database:
        customers(30).to_sql('we "quote"', database, index=False)
        pd.DataFrame({"a": [1]}).to_sql("other", database, index=False)
    path.chmod(stat.S_IREAD)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"say which with --table"):
        raw_table(open_source([path]), "train")
    assert len(raw_table(open_source([path], table='we "quote"'), "train")) == 30
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_files_with_roles(tmp_path: Path) -> None:
    table = customers()
    save(table[:150], tmp_path / "a.csv")
    save(table[150:], tmp_path / "b.csv")
    source = open_source([f"train={tmp_path / 'a.csv'}", f"test={tmp_path / 'b.csv'}"])
    assert {part: len(raw_table(source, part)) for part in source.places} == {"train": 150, "test": 90}


def test_a_folder_of_files_that_are_named_by_part(tmp_path: Path) -> None:
    customers(60).to_parquet(tmp_path / "train-00000-of-00002.parquet")
    customers(40, 1).to_parquet(tmp_path / "train-00001-of-00002.parquet")
    customers(20, 2).to_parquet(tmp_path / "validation-00000-of-00001.parquet")
    source = open_source([tmp_path])
    assert {part: len(raw_table(source, part)) for part in source.places} == {"train": 100, "validation": 20}


def write_dataset(folder: Path, names: list[str]) -> None:
    """A folder as the datasets library saves it."""
    folder.mkdir(parents=True)
    table = pa.table(
        {"text": [f"text number {row} of it" for row in range(40)], "label": [row % 2 for row in range(40)]}
    )
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    info = {"features": {"text": {"_type": "Value"}, "label": {"names": names, "_type": "ClassLabel"}}}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))


# of feature: text
def test_a_saved_dataset_and_a_dictionary_of_them(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_dataset(tmp_path / part, ["bad", "good"])
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    source, guess = guessed(tmp_path)
    assert set(source.places) == {"train", "test"}
    assert (guess.modality, guess.target.name, guess.classes) == ("text", "label", ("bad", "good"))
    assert read_part(source, guess, "test").column("label").to_pylist()[:3] == ["bad", "good", "bad"]
    alone, _ = guessed(tmp_path / "train")
    assert set(alone.places) == {"train"}


# end


def test_class_folders_with_and_without_parts(tmp_path: Path) -> None:
    write_images(tmp_path / "plain")
    for part in ("train", "val"):
        write_texts(tmp_path / "parts" / part)
    _, guess = guessed(tmp_path / "plain")
    assert (guess.modality, guess.classes, guess.parts) == ("image", ("cats", "dogs"), {"train": 24})
    assert guess.pictures is not None
    assert (guess.pictures.size, guess.pictures.channels) == ((20, 30), 3)
    divided, texts = guessed(tmp_path / "parts")
    assert (texts.modality, texts.parts) == ("text", {"train": 120, "validation": 120})
    assert {file.label for file in folder_files(divided, "validation")} == {"ham", "spam"}


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    write_images(tmp_path, ("test", "real"))
    assert guessed(tmp_path)[1].classes == ("real", "test")


def test_files_that_lie_deeper_are_of_the_upper_folders_class(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "cats" / "old").mkdir()
    (tmp_path / "cats" / "0.png").rename(tmp_path / "cats" / "old" / "0.png")
    source, guess = guessed(tmp_path)
    assert guess.parts == {"train": 24}
    assert read_part(source, guess, "train").column("label").to_pylist() == ["cats"] * 12 + ["dogs"] * 12


def test_a_file_is_linked_only_where_the_data_layer_reads_the_same(tmp_path: Path) -> None:
    table = customers()
    odd = table.assign(orders=table["orders"].astype(str).where(table["orders"] > 2, "?"))
    table.to_parquet(tmp_path / "plain.parquet", index=False)
    odd.to_parquet(tmp_path / "marked.parquet", index=False)
    table.rename(columns={"town": "hash"}).to_parquet(tmp_path / "taken.parquet", index=False)
    save(table, tmp_path / "typeless.csv")
    found = {}
    for path in tmp_path.iterdir():
        source, guess = guessed(path)
        found[path.stem] = linkable(source, guess, "train", read_part(source, guess, "train"))
    assert found == {"plain": True, "marked": False, "taken": False, "typeless": False}
    taken, guess = guessed(tmp_path / "taken.parquet")
    assert "hash_" in read_part(taken, guess, "train").column_names


def test_a_hundred_thousand_rows_are_read_wholly(tmp_path: Path) -> None:
    """The fault stands in the last row, behind every block that a reader would have guessed by."""
    rows = 100_000
    values = [str(row % 97) for row in range(rows - 1)] + ["many"]
    pq.write_table(pa.table({"value": values, "label": ["a", "b"] * (rows // 2)}), tmp_path / "large.parquet")
    source, guess = guessed(tmp_path / "large.parquet")
    assert guess.column("value").reading.missing == ("many",)
    assert read_part(source, guess, "train").column("value").null_count == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, r"none.csv is missing: expected a CSV"),
        ("empty.csv", b"", r"empty.csv is empty: expected records"),
        ("blank.csv", b"\n\n", r"blank.csv is empty"),
        ("binary.csv", b"\x00\x01\x02\x03PNG" * 40, r"binary.csv is no text"),
        ("header.csv", b"a,b\n", r"header.csv has no record"),
        ("odd.pdf", b"x", r"odd.pdf is of no form that is read"),
        ("old.xls", b"x", r"save it as .xlsx"),
        ("bad.parquet", b"PAR1x", r"bad.parquet is not a whole Parquet file"),
        ("bad.xlsx", b"PK", r"bad.xlsx is not a whole workbook"),
        ("bad.sqlite", b"SQLite form" * 200, r"bad.sqlite is not a whole SQLite database"),
        ("bad.jsonl", b"{\n[]\n", r"bad.jsonl holds no JSON object"),
        ("bad.json", b"[{", r"bad.json is not whole JSON"),
        ("bad.csv.gz", b"\x1f\x8bxx", r"bad.csv.gz can't be decompressed"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        raw_table(open_source([path]), "train")


def test_folders_and_roles_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"holds nothing that is read"):
        open_source([tmp_path / "empty"])
    write_images(tmp_path / "one", ("cats",))
    with pytest.raises(UsageError, match=r"12 images of one class: expected one folder a class"):
        open_source([tmp_path / "one"])
    path = save(customers(), tmp_path / "a.csv")
    other = save(customers().drop(columns="town"), tmp_path / "b.csv")
    with pytest.raises(UsageError, match=r"has no role: with several files say train=FILE"):
        open_source([path, other])
    with pytest.raises(UsageError, match=r"no file has the role train"):
        open_source([f"test={path}"])
    with pytest.raises(UsageError, match=r"two files have the role train"):
        open_source([f"train={path}", f"training={other}"])
    with pytest.raises(UsageError, match=r"names the role 'best': expected train, validation or test"):
        open_source([f"train={path}", f"best={other}"])
    with pytest.raises(UsageError, match=r"\(test\) has no column 'town'"):
        open_source([f"train={path}", f"test={other}"])
    with pytest.raises(UsageError, match=r"--table is for workbooks and databases"):
        open_source([path], table="x")
    with pytest.raises(UsageError, match=r"nothing was given"):
        open_source([])


def test_a_source_is_read_once_until_it_is_let_go_of(tmp_path: Path) -> None:
    source = open_source([save(customers(), tmp_path / "a.csv")])
    first, values = raw_table(source, "train"), values_of(source)
    assert raw_table(source, "train") is first
    assert values_of(source) is values
    forget_values()
    assert raw_table(source, "train") is first
    forget_tables()
    again = raw_table(source, "train")
    assert again is not first
    assert again.equals(first)
    assert values_of(source) is not values
