"""Leaving out training records: gaps, outliers, duplicates; validation and test records stay."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tables import loans_config

from lightloop.config.balance import Clean
from lightloop.config.compose import compose_config
from lightloop.config.tabular import TabularSpec
from lightloop.data.clean import clean_records, rounded
from lightloop.data.module import build_data
from lightloop.errors import RefusedError

SPEC = TabularSpec(
    name="x",
    modality="tabular",
    problem="classification",
    path="x",
    expectations="x",
    files={"train": "x.parquet"},
    columns={"a": "feature", "b": "feature", "y": "target"},
    classes=("no", "yes"),
    split={"test": 0.5, "validation": 0.5},
)
NUMBERS = [1.0, 1.001, 1.0, None, 2.0, 3.0, 2.5, 1.5, 500.0]
TABLE = pa.table({"a": NUMBERS, "b": ["p", "p", "p", "q", None, "r", "r", "r", "r"], "label": ["no", "yes", "yes"] * 3})


@pytest.mark.parametrize(
    ("clean", "left_out"),
    [
        ({}, []),
        ({"missing": "drop"}, [3, 4]),
        ({"duplicates": "exact"}, [2]),
        ({"duplicates": "near"}, [1, 2]),
        ({"duplicates": "near", "digits": 4}, [2]),
        ({"outliers": "iqr"}, [8]),
        ({"outliers": "z_score", "outlier_limit": 2.0}, [8]),
        ({"missing": "drop", "duplicates": "exact", "outliers": "iqr"}, [2, 3, 4, 8]),
    ],
)
def test_what_was_asked_for_is_left_out(clean, left_out):
    stays = clean_records(TABLE, SPEC, Clean(**clean))
    assert stays.equals(TABLE.take([row for row in range(len(TABLE)) if row not in left_out]))


def test_an_isolation_forest_leaves_out_what_is_far_from_all():
    random = np.random.default_rng(0)
    numbers = np.r_[random.normal(size=200), 30.0]
    table = pa.table({"a": numbers, "b": ["p"] * 201, "label": ["no", "yes"] * 100 + ["no"]})
    stays = clean_records(table, SPEC, Clean(outliers="isolation_forest"))
    assert 100 < len(stays) < 201
    assert 30.0 not in stays["a"].to_pylist()


def test_a_column_that_is_mostly_one_value_has_no_quartiles_to_be_outside_of():
    table = pa.table({"a": [0.0] * 7 + [5.0, 9.0], "b": ["p"] * 9, "label": ["no", "yes", "yes"] * 3})
    assert clean_records(table, SPEC, Clean(outliers="iqr")).equals(table)


def test_nothing_left_of_a_class_is_refused():
    table = pa.table({"a": [1.0, None], "b": ["p", "q"], "label": ["no", "yes"]})
    with pytest.raises(RefusedError, match=r"clean leaves out every training record of the class 'yes'"):
        clean_records(table, SPEC, Clean(missing="drop"))
    with pytest.raises(RefusedError, match=r"clean leaves out all 1 training records"):
        clean_records(table.slice(1), SPEC, Clean(missing="drop"))


def test_significant_digits():
    values = pd.DataFrame({"a": [123456.0, -0.00123456, 0.0, np.nan]})
    assert rounded(values, 3)["a"].tolist()[:3] == [123000.0, -0.00123, 0.0]
    assert rounded(values, 3)["a"].isna().tolist() == [False, False, False, True]


def test_only_training_records_are_left_out(repository):
    plain, strict = (
        build_data(loans_config(repository, *overrides), repository.root) for overrides in ((), ("clean=strict",))
    )
    for data in (plain, strict):
        data.setup()
    assert len(strict.tables["train"]) < len(plain.tables["train"])
    assert len(strict.splits["train"]) == len(strict.tables["train"])
    assert not any(strict.tables["train"][name].null_count for name in strict.config.data.features)
    for part in ("validation", "test"):
        assert strict.tables[part].equals(plain.tables[part])


def test_copies_of_images_are_left_out(project, small_config):
    config = compose_config(project, ("clean=duplicates", "tracking=none"))
    data = build_data(config, project.root)
    data.tables = build_tables(data, project)
    before = len(data.tables["train"])
    data.setup()
    assert len(data.tables["train"]) == before - 3


def build_tables(data, project):
    """The splits of a small project, with three training images twice."""
    from lightloop.data.splits import read_splits

    tables = read_splits(data.config.data, project.root, 0)
    train = tables["train"]
    return {**tables, "train": pa.concat_tables([train, train.slice(0, 3)])}
