"""Texts in every form that is promised, and every fault in one sentence."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from texts import make_rows, make_spec, write_rows

from lightloop.data.records import read_records
from lightloop.errors import LightloopError, RefusedError


def test_columns_are_those_of_the_contract(tmp_path):
    rows = make_rows(6)
    table = read_records(make_spec(), write_rows(tmp_path, rows), "train")
    assert table.column_names == ["id", "text", "label", "source", "group"]
    assert table["id"].to_pylist() == [f"train/{number}" for number in range(6)]
    for name in ("text", "label", "source", "group"):
        assert table[name].to_pylist() == [row[name] for row in rows]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_every_kind_of_string_column_reads_the_same(tmp_path, kind):
    texts = pa.array(["a", None, "ü 😀"]).cast(kind)
    (tmp_path / "data/mails").mkdir(parents=True)
    pq.write_table(pa.table({"body": texts, "label": ["ham", "spam", None]}), tmp_path / "data/mails/mails.parquet")
    spec = make_spec(columns={"body": "feature", "label": "target"}, split={"test": 0.2})
    table = read_records(spec, tmp_path, "train")
    assert table["text"].to_pylist() == ["a", None, "ü 😀"]
    assert table["label"].to_pylist() == ["ham", "spam", None]


def test_csv(tmp_path):
    (tmp_path / "data/mails").mkdir(parents=True)
    (tmp_path / "data/mails/mails.csv").write_text('text,label\n"Hi, you",ham\nBuy,spam\n', encoding="utf-8")
    spec = make_spec(files={"train": "mails.csv"}, columns={"text": "feature", "label": "target"}, split={"test": 0.2})
    assert read_records(spec, tmp_path, "train")["text"].to_pylist() == ["Hi, you", "Buy"]


def test_a_folder_of_class_folders(tmp_path):
    for name, content in (("ham/2.txt", b"see you"), ("ham/10.TXT", b"gr\xfc\xdfe"), ("spam/1.txt", b"buy")):
        file = tmp_path / "data/mails/all" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (tmp_path / "data/mails/all/ham/picture.png").write_bytes(b"")
    spec = make_spec(files={"train": "all"}, columns={"text": "feature", "label": "target"}, split={"test": 0.2})
    table = read_records(spec, tmp_path, "train")
    assert table["id"].to_pylist() == ["ham/10.TXT", "ham/2.txt", "spam/1.txt"]
    assert table["text"].to_pylist() == ["gr\ufffd\ufffde", "see you", "buy"]
    assert table["label"].to_pylist() == ["ham", "ham", "spam"]
    with pytest.raises(RefusedError, match="data/mails/all is a folder, which has no column 'source'"):
        read_records(make_spec(files={"train": "all"}), tmp_path, "train")
    (tmp_path / "data/mails/empty").mkdir()
    with pytest.raises(
        LightloopError, match=r"data/mails/empty holds no texts: expected one folder a class with \.txt"
    ):
        read_records(make_spec(files={"train": "empty"}), tmp_path, "train")


def test_numbers_are_no_targets_of_texts():
    with pytest.raises(ValueError, match=r"data\.problem is regression, but texts are for classification"):
        make_spec(problem="regression", classes=[])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (pa.array([1, 2]), "mails.parquet has texts of type int64: expected strings"),
        (pa.array([b"a", b"b"]), "has texts of type binary: expected strings"),
        (pa.array([["a"], ["b"]]), r"has texts of type list<.*>: expected strings"),
        (
            pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xed\xa0")),
            "has a text that is not valid UTF-8: write it anew in UTF-8",
        ),
    ],
)
def test_texts_that_are_none_are_refused(tmp_path, texts, message):
    (tmp_path / "data/mails").mkdir(parents=True)
    pq.write_table(pa.table({"text": texts, "label": ["ham", "spam"]}), tmp_path / "data/mails/mails.parquet")
    spec = make_spec(columns={"text": "feature", "label": "target"}, split={"test": 0.2})
    with pytest.raises(RefusedError, match=message):
        read_records(spec, tmp_path, "train")


def test_a_column_that_is_not_there_and_one_whose_name_is_taken(tmp_path):
    root = write_rows(tmp_path, make_rows(4))
    with pytest.raises(RefusedError, match=r"has no column 'body' \(it has text, label, source, group\)"):
        read_records(make_spec(columns={"body": "feature", "label": "target", "group": "group"}), root, "train")
    with pytest.raises(RefusedError, match="column 'id' has the role slice, but the name stands for something else"):
        read_records(
            make_spec(columns={"text": "feature", "label": "target", "id": "slice", "group": "group"}), root, "train"
        )
