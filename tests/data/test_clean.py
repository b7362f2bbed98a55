"""Leaving out training records: gaps, outliers, duplicates; validation and test records stay."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pictures import encode
from series_world import whole
from tables import loans_config

from lightloop.config.balance import Clean
from lightloop.config.compose import compose_config
from lightloop.config.image import ImageSpec
from lightloop.config.tabular import TabularSpec
from lightloop.config.text import TextSpec
from lightloop.data.clean import clean_records, rounded
from lightloop.data.module import build_data
from lightloop.data.near import CORRELATED, near_copies
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


def images(*pixels: np.ndarray) -> pa.Table:
    labels = [f"{row % 2}" for row in range(len(pixels))]
    return pa.table({"image": pa.array([encode(one) for one in pixels], pa.large_binary()), "label": labels})


IMAGES = ImageSpec(
    name="x",
    modality="image",
    problem="classification",
    path="x",
    expectations="x",
    files={"train": "x.parquet"},
    columns={"image": "feature", "label": "target"},
    classes=("0", "1"),
    split={"test": 0.5, "validation": 0.5},
    size=(12, 12),
    channels=1,
)
TEXTS = TextSpec(
    name="x",
    modality="text",
    problem="classification",
    path="x",
    expectations="x",
    files={"train": "x.parquet"},
    columns={"text": "feature", "label": "target"},
    classes=("0", "1"),
    split={"test": 0.5, "validation": 0.5},
)


def test_of_images_that_are_nearly_the_same_the_first_is_kept():
    random = np.random.default_rng(0)
    first, other = (random.integers(20, 230, (12, 12)).astype(float) for _ in range(2))
    darker, flat = first * 0.8 + 5, np.full((12, 12), 7.0)
    pixels = [first, darker, first, other, flat, 255 - first, flat, np.full((12, 12), 9.0)]
    table = images(*[one.astype(np.uint8) for one in pixels])
    near = clean_records(table, IMAGES, Clean(duplicates="near"))
    assert near.equals(table.take([0, 3, 4, 5, 7])), "flat images are alike only where they are the same"
    exact = clean_records(table, IMAGES, Clean(duplicates="exact"))
    assert exact.equals(table.take([0, 1, 3, 4, 5, 7]))


def test_of_whole_series_that_are_nearly_the_same_the_first_is_kept():
    config = whole(window=16)
    random = np.random.default_rng(0)
    first, other = random.normal(size=(2, 16))
    nearly = first + 0.01 * random.normal(size=16)
    assert 0.99 < np.corrcoef(first, nearly)[0, 1] < 1
    # The last `window` steps are what is used.
    longer = np.r_[random.normal(size=5), first]
    rows = [first, nearly, other, first, longer, -first, np.zeros(16)]
    table = pa.table(
        {"series": pa.array([row.tolist() for row in rows], pa.list_(pa.float32())), "label": list("abababa")}
    )
    kept = clean_records(table, config.data, Clean(duplicates="near"))
    assert kept.equals(table.take([0, 2, 5, 6]))
    assert clean_records(table, config.data, Clean(duplicates="exact")).equals(table.take([0, 1, 2, 5, 6]))


def test_of_texts_that_are_nearly_the_same_the_first_is_kept():
    words = [f"word{number}" for number in range(40)]
    long = " ".join(words)
    rows = [long, long.upper(), " ".join(words[:-2]), " ".join(words[20:]), "", "short one", " Short  ONE", "short two"]
    table = pa.table({"text": rows, "label": ["0", "1"] * 4})
    stays = clean_records(table, TEXTS, Clean(duplicates="near"))
    assert stays["text"].to_pylist() == [long, " ".join(words[20:]), "", "short one", "short two"]


def test_what_is_near_only_to_what_was_left_out_stays():
    """A chain: each text is near to the one before, and far from the one before that."""
    words = [f"word{number}" for number in range(60)]
    chain = [" ".join(words[start : start + 44]) for start in (0, 4, 8)]
    table = pa.table({"text": [*chain, "another"], "label": ["0", "1", "1", "0"]})
    assert clean_records(table, TEXTS, Clean(duplicates="near"))["text"].to_pylist() == [chain[0], chain[2], "another"]


def test_near_copies_are_those_that_a_loop_over_all_pairs_finds():
    random = np.random.default_rng(1)
    base = random.normal(size=(300, 144))
    mixed = base[random.integers(60, size=1100)] + random.normal(size=(1100, 144)) * random.choice(
        [0.02, 0.5], (1100, 1)
    )
    pixels = (127 + 40 * mixed).clip(0, 255).astype(np.uint8)
    similar = np.corrcoef(pixels.astype(float)) >= CORRELATED
    expected = np.zeros(len(pixels), dtype=bool)
    for row in range(len(pixels)):
        expected[row] = any(similar[row, other] and not expected[other] for other in range(row))
    found = near_copies(images(*pixels.reshape(-1, 12, 12)), IMAGES)
    assert 100 < expected.sum() < 1000
    assert found.tolist() == expected.tolist()


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
