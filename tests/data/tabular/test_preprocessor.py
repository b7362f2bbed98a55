"""Preprocessing of tables: fitted on training records alone, stored without pickle, never stopped by a value."""

import os

import numpy as np
import pyarrow as pa
import pytest
import skops.io
import torch
from sklearn.preprocessing import FunctionTransformer
from tables import ORDERS, SMALL_COLUMNS, config_of, loans, loans_config, small_frame, spec_of, with_gaps

from lightloop.data.module import build_data
from lightloop.data.splits import read_splits
from lightloop.data.tabular.preprocessor import TabularPreprocessor
from lightloop.data.tabular.state import load_encoder
from lightloop.errors import LightloopError, RefusedError


@pytest.fixture(scope="module")
def fitted(repository):
    config = loans_config(repository)
    splits = loans(repository, config)
    preprocessor = TabularPreprocessor(config)
    preprocessor.fit(splits["train"])
    return preprocessor, splits


def small(repository, root, frame=None, columns=SMALL_COLUMNS, preprocess=None, **values):
    """A preprocessor for a small table, not fitted, and its splits."""
    frame = small_frame() if frame is None else frame
    ordered = any(isinstance(role, dict) and role.get("kind") == "ordered" for role in columns.values())
    spec = spec_of(root, frame, columns, **{"orders": ORDERS if ordered else {}, **values})
    task = {"task": {"name": "regression"}, "loss": {"name": "mse"}} if values.get("problem") == "regression" else {}
    config = config_of(repository, spec, preprocess={"name": "tabular", **(preprocess or {})}, **task)
    return TabularPreprocessor(config), read_splits(config.data, root, 0)


def test_numbers_are_standard_on_the_training_records_alone(fitted):
    preprocessor, splits = fitted
    places = [preprocessor.number_names.index(name) for name in ("loanamt", "obrat", "cons")]
    train, test = (preprocessor.encode(splits[part])[0][:, places] for part in ("train", "test"))
    assert torch.allclose(train.mean(0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(train.std(0, correction=0), torch.ones(3), atol=1e-4)
    assert (test.mean(0).abs() > 1e-3).any()


def test_gaps_have_columns_of_their_own(fitted):
    preprocessor, splits = fitted
    train = splits["train"]
    flags = [name for name in preprocessor.number_names if name.endswith(" missing")]
    with_values = [
        f"{name} missing" for name in ("term", "unit", "dep", "liq", "rep", "lines") if train[name].null_count
    ]
    assert sorted(flags) == sorted(with_values) != []
    numbers = preprocessor.encode(train)[0]
    for name in flags:
        absent = train[name.removesuffix(" missing")].is_null().to_numpy()
        assert np.array_equal(numbers[:, preprocessor.number_names.index(name)].numpy(), absent)


def test_no_value_stops_it(fitted, repository):
    preprocessor, splits = fitted
    asked = with_gaps(splits["test"], preprocessor.spec, seed=1)
    numbers, codes = preprocessor.encode(asked)
    assert torch.isfinite(numbers).all()
    assert codes.shape == (len(asked), 0)
    nothing = pa.table({name: pa.nulls(2, asked.schema.field(name).type) for name in asked.column_names})
    assert torch.isfinite(preprocessor.encode(nothing)[0]).all()


def test_the_state_is_the_same_bytes_each_time_and_gives_the_same_answers(fitted, repository):
    preprocessor, splits = fitted
    again = TabularPreprocessor(preprocessor.config)
    again.fit(splits["train"])
    files = preprocessor.files()
    assert again.files() == files
    stored = TabularPreprocessor(preprocessor.config)
    stored.load_files(files)
    assert stored.files() == files
    assert stored.inputs == preprocessor.inputs
    for first, second in zip(stored.encode(splits["test"]), preprocessor.encode(splits["test"]), strict=True):
        assert first.equal(second)


def test_a_file_that_holds_foreign_classes_is_not_loaded():
    foreign = skops.io.dumps({"impute": FunctionTransformer(os.getcwd)})
    with pytest.raises(LightloopError, match=r"the preprocessing holds posix\.getcwd, which was not written by"):
        load_encoder(foreign)
    with pytest.raises(LightloopError, match=r"the preprocessing can't be read"):
        load_encoder(b"no zip file")


def test_rare_and_unknown_categories_share_code_0(repository, tmp_path):
    frame = small_frame(200)
    frame.loc[:2, "town"] = "Bern"
    preprocessor, splits = small(repository, tmp_path, frame, preprocess={"categories": "embedding", "rare": 0.05})
    preprocessor.fit(splits["train"])
    assert preprocessor.code_names == ["town"]
    assert preprocessor.inputs.cardinalities == (4,)
    asked = (
        splits["test"]
        .slice(0, 4)
        .set_column(splits["test"].column_names.index("town"), "town", pa.array(["Bern", "Paris", None, "Bonn"]))
    )
    _, codes = preprocessor(*preprocessor.encode(asked))
    assert codes[:, 0].tolist() == [0, 0, 0, 1]


def test_ordered_values_become_ranks(repository, tmp_path):
    preprocessor, splits = small(repository, tmp_path)
    preprocessor.fit(splits["train"])
    place = preprocessor.number_names.index("grade")
    numbers = preprocessor.encode(splits["train"])[0][:, place]
    by_grade = [
        numbers[torch.tensor([g == name for g in splits["train"]["grade"].to_pylist()])] for name in ORDERS["grade"]
    ]
    assert [len(one.unique()) for one in by_grade] == [1, 1, 1]
    assert by_grade[0][0] < by_grade[1][0] < by_grade[2][0]


def test_numbers_of_a_regression_get_their_unit_back(repository, tmp_path):
    columns = {"size": "feature", "town": "feature", "price": "target"}
    preprocessor, splits = small(repository, tmp_path, columns=columns, problem="regression")
    preprocessor.fit(splits["train"])
    prices = torch.tensor(splits["train"]["label"].to_pylist())
    assert preprocessor.restore(torch.zeros(1, 1)).item() == pytest.approx(prices.mean().item(), rel=1e-5)
    assert preprocessor.restore(torch.ones(1, 1)).item() == pytest.approx(
        (prices.mean() + prices.std(correction=0)).item(), rel=1e-5
    )
    extraction = {"extraction": "lda"}
    lda, splits = small(repository, tmp_path, columns=columns, problem="regression", preprocess=extraction)
    with pytest.raises(RefusedError, match=r"preprocess\.extraction=lda needs classes to tell apart"):
        lda.fit(splits["train"])


def test_tables_of_one_kind_of_column_work(repository, tmp_path):
    for columns in ({"town": "feature", "kind": "target"}, {"age": "feature", "kind": "target"}):
        preprocessor, splits = small(repository, tmp_path, columns=columns, preprocess={"categories": "embedding"})
        preprocessor.fit(splits["train"])
        numbers, codes = preprocessor.encode(splits["test"])
        assert numbers.shape[1] + codes.shape[1] == 1
        graph = preprocessor.encoding_graph()
        assert [one.name for one in graph.graph.output] == ["numbers", "codes"]


def test_outliers_are_clipped_or_flagged(repository, tmp_path):
    frame = small_frame(200)
    frame.loc[5, "age"] = 10_000.0
    found = {}
    for action in ("clip", "flag"):
        preprocess = {"outliers": "iqr", "outlier_action": action, "scale": "none"}
        preprocessor, splits = small(repository, tmp_path, frame, preprocess=preprocess)
        preprocessor.fit(splits["train"])
        whole = pa.concat_tables(splits.values())
        row = whole["age"].to_pylist().index(10_000.0)
        numbers = preprocessor.encode(whole)[0]
        found[action] = {name: numbers[row, place].item() for place, name in enumerate(preprocessor.number_names)}
    assert found["clip"]["age"] < 200
    assert found["flag"]["age"] == 10_000
    assert found["flag"]["age outlier"] == 1


@pytest.mark.parametrize(
    ("change", "values", "sentence"),
    [
        (lambda f: f.assign(age=np.nan), {}, r"column 'age' has no value in the training records"),
        (
            lambda f: f.assign(age=f.age - 100),
            {"preprocess": {"log": ["age"]}},
            r"log names 'age', whose training .* -1",
        ),
        (lambda f: f, {"preprocess": {"log": ["town"]}}, r"preprocess\.log names 'town', which is no number column"),
        (lambda f: f, {"orders": {}}, r"column 'grade' is ordered, but its values are no numbers: say their order"),
        (lambda f: f, {"orders": {"grade": ["low", "high"]}}, r"column 'grade' holds 'mid', which data\.orders\.grade"),
        (
            lambda f: f,
            {"preprocess": {"selection": "variance", "min_variance": 99.0}},
            r"preprocess\.selection=variance can't be fitted",
        ),
    ],
    ids=["all missing", "log of negatives", "log of text", "no order", "order too short", "nothing varies so much"],
)
def test_what_can_not_be_fitted_is_refused(repository, tmp_path, change, values, sentence):
    preprocessor, splits = small(repository, tmp_path, change(small_frame()), **values)
    with pytest.raises(RefusedError, match=sentence):
        preprocessor.fit(splits["train"])


def test_one_class_alone_is_refused(repository, tmp_path):
    preprocessor, splits = small(repository, tmp_path, split={"policy": "random", "test": 0.2, "validation": 0.2})
    alone = splits["train"].filter(pa.array([name == "dear" for name in splits["train"]["label"].to_pylist()]))
    with pytest.raises(RefusedError, match=r"the training records are all 'dear': at least two classes"):
        preprocessor.fit(alone)


def test_the_module_encodes_every_split_by_the_training_records(repository):
    data = build_data(loans_config(repository), repository.root)
    data.setup()
    assert {part: len(records) for part, records in data.splits.items()} == {
        "train": 1353,
        "validation": 238,
        "test": 398,
    }
    batch = next(iter(data.train_dataloader()))
    assert batch.inputs[0].shape[1:] == (len(data.preprocessor.number_names),)
    assert data.splits["train"].targets.bincount().tolist() == [166, 1187]
