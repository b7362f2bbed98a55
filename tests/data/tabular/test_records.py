"""Reading tables: Parquet and CSV alike, and one sentence for each kind of bad file."""

import pandas as pd
import pyarrow as pa
import pytest
from tables import ORDERS, SMALL_COLUMNS, small_frame, spec_of

from lightloop.config.tabular import TabularSpec
from lightloop.data.records import read_records
from lightloop.data.tabular.input import Feature, TabularInput, as_categories, as_numbers
from lightloop.errors import LightloopError, RefusedError


def spec(root, frame, columns=SMALL_COLUMNS, **values) -> TabularSpec:
    return TabularSpec(**spec_of(root, frame, columns, **{"orders": ORDERS, **values}))


def test_features_keep_their_names_and_become_numbers_or_text(tmp_path):
    frame = small_frame().assign(rooms=2, old=[True, False] * 30)
    columns = {**SMALL_COLUMNS, "rooms": {"role": "feature", "kind": "category"}, "old": "sensitive"}
    table = read_records(spec(tmp_path, frame, columns), tmp_path, "train")
    assert table.column_names == ["id", "size", "age", "town", "grade", "rooms", "label", "old"]
    assert table["id"][3].as_py() == "train/3"
    assert table["rooms"].to_pylist() == ["2"] * 60
    assert [table.schema.field(name).type for name in ("size", "age", "town")] == [
        pa.float64(),
        pa.float64(),
        pa.string(),
    ]
    assert table["size"].null_count == int(frame["size"].isna().sum()) > 0
    assert table["label"].to_pylist() == frame["kind"].tolist()


def test_a_csv_file_gives_the_same_records(tmp_path):
    frame = small_frame()
    said = spec(tmp_path, frame)
    frame.to_csv(tmp_path / "data/small/small.csv", index=False)
    text = said.model_copy(update={"files": {"train": "small.csv"}})
    assert read_records(text, tmp_path, "train").equals(read_records(said, tmp_path, "train"))


def test_numbers_are_read_as_the_target_of_a_regression(tmp_path):
    columns = {"size": "feature", "price": "target"}
    said = spec(tmp_path, small_frame(), columns, problem="regression", orders={})
    assert read_records(said, tmp_path, "train").schema.field("label").type == pa.float64()


def test_the_id_column_tells_records_apart(tmp_path):
    frame = small_frame().assign(key=[f"k{row}" for row in range(60)])
    assert read_records(spec(tmp_path, frame, id="key"), tmp_path, "train")["id"][0].as_py() == "k0"
    with pytest.raises(RefusedError, match=r"small\.parquet has the id 'k0' twice or not at all"):
        read_records(spec(tmp_path, frame.assign(key="k0"), id="key"), tmp_path, "train")


@pytest.mark.parametrize(
    ("change", "columns", "error", "sentence"),
    [
        (lambda f: f.drop(columns="age"), {}, RefusedError, r"has no column 'age' \(it has size, "),
        (lambda f: f.head(0), {}, RefusedError, r"small\.parquet has no record"),
        (
            lambda f: f.assign(age="old"),
            {"age": {"role": "feature", "kind": "number"}},
            RefusedError,
            r"column 'age' holds 'old' where a number was expected: mend it, or say `kind: category`",
        ),
        (lambda f: f.assign(age=float("inf")), {}, RefusedError, r"column 'age' holds inf in row 0: expected a finite"),
        (lambda f: f.assign(town=[[1]] * 60), {}, RefusedError, r"column 'town' holds list<.*> where categories were"),
    ],
    ids=["unknown column", "empty", "text for numbers", "infinite", "lists"],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, change, columns, error, sentence):
    frame = small_frame()
    said = spec(tmp_path, frame, {**SMALL_COLUMNS, **columns})
    change(frame).to_parquet(tmp_path / "data/small/small.parquet", index=False)
    with pytest.raises(error, match=sentence):
        read_records(said, tmp_path, "train")


def test_an_empty_csv_file_is_no_table(tmp_path):
    said = spec(tmp_path, small_frame()).model_copy(update={"files": {"train": "small.csv"}})
    (tmp_path / "data/small/small.csv").write_text("")
    with pytest.raises(LightloopError, match=r"small\.csv is not a whole CSV file"):
        read_records(said, tmp_path, "train")


def test_values_of_every_plain_type_are_read():
    for column in ([1, 2, None], [1.0, 2.0, float("nan")], ["1", "2", None], [True, False, None]):
        numbers = as_numbers(pa.chunked_array([column]), "x")
        assert pd.isna(numbers[2])
        assert numbers[0] == 1
    assert as_categories(pa.chunked_array([[1, 2, None]]), "x").to_pylist() == ["1", "2", None]
    assert as_categories(pa.chunked_array([[0.1, 2.0, None]], pa.float32()), "x").to_pylist() == ["0.1", "2", None]
    words = pa.chunked_array([pa.array(["a", None, "b"]).dictionary_encode()])
    assert as_categories(words, "x").to_pylist() == ["a", None, "b"]


def test_a_request_without_a_column_is_refused():
    schema = TabularInput(features=(Feature(name="age", kind="number"),))
    with pytest.raises(RefusedError, match=r"column 'age' is missing: expected age"):
        schema.encode(pa.table({"other": [1]}), {})
