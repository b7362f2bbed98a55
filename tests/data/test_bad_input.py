"""Bad input of every kind, as the train stage reads it: one sentence, or a treatment that stands in docs/data.md."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from series_world import small, stamps, wave, whole, write
from small_project import REPOSITORY
from tables import ORDERS, SMALL_COLUMNS, config_of, small_frame, spec_of

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.module import build_data
from lightloop.errors import RefusedError
from lightloop.project import Project

LISTS = pa.list_(pa.float64())
RANDOM = {"policy": "random", "test": 0.2, "validation": 0.2}


def read(config: Config, root: Path) -> list[torch.Tensor]:
    """Set up, and what the network would be given of the first batch."""
    data = build_data(config, root)
    data.setup()
    return list(data.preprocessor(*next(iter(data.train_dataloader())).inputs))


def refused(config: Config, root: Path, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        read(config, root)


def write_rows(root: Path, path: str, rows: list[dict]) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), root / path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda row, number: {"picture": row["image"], "label": row["label"]}, "has no column 'image'"),
        (lambda row, number: row | {"image": "x"}, "has images of type string: expected bytes"),
        (lambda row, number: row | {"image": None}, "has images of type null: expected bytes"),
        (lambda row, number: row if number else row | {"image": None}, "has no image: leave it out, or give it one"),
        (lambda row, number: row | {"label": ("bag", "hat")[number % 2]}, "label 'hat' is not one"),
        (lambda row, number: row | {"label": 3 + number % 2}, "label '3' is not one of the data set's classes"),
        (lambda row, number: row | {"label": "bag"}, "the training records are all 'bag': at least two classes"),
        (lambda row, number: row | {"label": None}, "the training records are none: at least two classes"),
    ],
)
def test_images(project: Project, repository: Project, change, sentence):
    path = project.root / "data/fashion/train.parquet"
    rows = [change(row, number) for number, row in enumerate(pq.read_table(path).to_pylist())]
    # Without a stratified draw, which would name the classes that are missing.
    config = compose_config(repository, ["data.split.policy=random"])
    if "none" in sentence:  # nothing to draw from either
        config = compose_config(repository, ["data.split.policy=random", "data.split.validation=0.01"])
    write_rows(project.root, "data/fashion/train.parquet", rows)
    refused(config, project.root, sentence)


def messages(root: Path, change) -> Config:
    table = pq.read_table(REPOSITORY / "data/spam/spam.parquet").slice(4050, 200)
    write_rows(root, "data/spam/spam.parquet", [change(row, number) for number, row in enumerate(table.to_pylist())])
    return compose_config(Project(REPOSITORY), ["experiment=spam"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda row, number: {"body": row["text"], **{n: row[n] for n in row if n != "text"}}, "has no column 'text'"),
        (lambda row, number: row | {"text": 3}, "has texts of type int64: expected strings"),
        (lambda row, number: row | {"text": None}, "has no text: leave it out"),
        (lambda row, number: row | {"text": ""}, "no token stands 2 times in the .* training texts"),
        (lambda row, number: row | {"label": "spam"}, "the training records are all 'spam': at least two classes"),
        (lambda row, number: row | {"label": ("ham", "hat")[number % 2]}, "label 'hat' is not one"),
        (lambda row, number: row | {"group": "one"}, "all records are of one group: at least 2 groups are needed"),
    ],
)
def test_texts(tmp_path: Path, change, sentence):
    refused(messages(tmp_path, change), tmp_path, sentence)


def test_empty_texts_and_one_of_a_megabyte_are_records(tmp_path: Path):
    odd = {0: "", 1: " \n", 2: "ab \u00e9" * 250_000}
    config = messages(tmp_path, lambda row, number: row | {"text": odd.get(number, row["text"])})
    (ids_BT,) = read(config, tmp_path)
    assert ids_BT.shape[1] <= 512
    assert (ids_BT != 0).any(1).all(), "no record is all padding"


@pytest.mark.parametrize(
    ("rows", "labels", "problem", "sentence"),
    [
        ([None, *[[1.0] * 8] * 39], ["a", "b"] * 20, "classification", "record number .* has no 'series'"),
        ([None] * 40, ["a", "b"] * 20, "classification", "record number .* has no 'series'"),
        ([["x"]] * 40, ["a", "b"] * 20, "classification", "has series 'series' of type list.*: expected lists"),
        ([1.0] * 40, ["a", "b"] * 20, "classification", "has series 'series' of type double: expected lists"),
        ([[1.0] * 8] * 40, ["a"] * 40, "classification", "the training records are all 'a': at least two classes"),
        ([[1.0] * 8] * 40, ["c", "b"] * 20, "classification", "label 'c' is not one of the data set's classes"),
        ([[1.0] * 8] * 40, ["a", "b"] * 20, "regression", "the column 'label' of type string .*: expected numbers"),
        ([[1.0] * 8] * 40, [None, *[1.0] * 39], "regression", "has no target that is a number: leave it out"),
    ],
)
def test_whole_series(tmp_path: Path, rows, labels, problem, sentence):
    kind = None if isinstance(rows[-1], float) or rows[-1] == ["x"] else LISTS
    (tmp_path / "data/mine").mkdir(parents=True)
    table = pa.table({"series": pa.array(rows, kind), "label": labels})
    pq.write_table(table, tmp_path / "data/mine/train.parquet")
    refused(whole(problem), tmp_path, sentence)


def test_empty_series_count_as_gaps(tmp_path: Path):
    (tmp_path / "data/mine").mkdir(parents=True)
    table = pa.table({"series": pa.array([[], [1.0, None]] * 20, LISTS), "label": ["a", "b"] * 20})
    pq.write_table(table, tmp_path / "data/mine/train.parquet")
    (series_BTC,) = read(whole(), tmp_path)
    assert torch.isfinite(series_BTC).all()


@pytest.mark.parametrize(
    ("values", "times", "data", "sentence"),
    [
        (wave(120), np.r_[stamps(60), stamps(120)[59:-1]], {}, "twice .row 61.: sort its rows by 'time' and keep one"),
        (wave(120), stamps(120)[::-1], {}, "after 2002-04-13T00:00:00 .row 2.: sort its rows"),
        (wave(120), stamps(120), {"horizon": 500}, "data.window=12 and data.horizon=500 do not fit"),
        (wave(120), stamps(120), {"window": 500}, "data.window=500 and data.horizon=3 do not fit"),
        (wave(120) * np.nan, stamps(120), {}, "has no value at all: expected numbers"),
        (pa.array(["x"] * 120), stamps(120), {}, "column 'value' of type string .'x' in row 1.: expected numbers"),
        (wave(120), stamps(120), {"columns": {"time": "time", "other": "target"}}, "has no column 'other'"),
    ],
)
def test_forecasts(tmp_path: Path, values, times, data, sentence):
    refused(small(**data), write(tmp_path, values, times), sentence)


@pytest.mark.parametrize(
    ("change", "columns", "sentence"),
    [
        (lambda frame: frame.drop(columns="age"), {}, "has no column 'age'"),
        (
            lambda frame: frame.assign(age="x"),
            {"age": {"role": "feature", "kind": "number"}},
            "holds 'x' where a number",
        ),
        (lambda frame: frame.assign(age=[[1]] * len(frame)), {}, "column 'age' holds list.* where"),
        (lambda frame: frame.assign(age=np.inf), {}, "column 'age' holds inf in row 0: expected a finite number"),
        (lambda frame: frame.assign(age=np.nan), {}, "column 'age' has no value in the training records"),
        (lambda frame: frame.assign(town=None), {}, "column 'town' has no value in the training records"),
        (lambda frame: frame.assign(kind="dear"), {}, "the training records are all 'dear': at least two classes"),
    ],
)
def test_tables(repository: Project, tmp_path: Path, change, columns, sentence):
    spec = spec_of(
        tmp_path, change(small_frame()), SMALL_COLUMNS | columns, orders=ORDERS, classes=["cheap", "dear"], split=RANDOM
    )
    refused(config_of(repository, spec), tmp_path, sentence)


def test_a_category_never_seen_is_an_unknown_one(repository: Project, tmp_path: Path):
    frame = small_frame(200)
    config = config_of(repository, spec_of(tmp_path, frame, SMALL_COLUMNS, orders=ORDERS))
    data = build_data(config, tmp_path)
    data.setup()
    unseen = data.tables["test"].slice(0, 1)
    place = unseen.schema.get_field_index("town")
    unseen = unseen.set_column(place, "town", pa.array(["Atlantis"]))
    numbers_1F, _ = data.preprocessor.encode(unseen)
    towns = [place for place, name in enumerate(data.preprocessor.number_names) if name.startswith("town=")]
    assert len(towns) == 3
    assert numbers_1F[0, towns].tolist() == [0.0, 0.0, 0.0]
