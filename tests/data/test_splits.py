"""Splits: complete, disjoint, stratified, repeatable."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.splits import read_splits, stratified_rows
from lightloop.errors import RefusedError
from lightloop.project import Project


@pytest.mark.parametrize("seed", [0, 1, 42])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_parts_are_complete_disjoint_and_stratified(seed: int, share: float):
    codes = np.random.default_rng(seed).choice(4, size=500, p=[0.6, 0.3, 0.08, 0.02])
    first, second = stratified_rows(codes, share, seed)
    assert np.array_equal(np.sort(np.concatenate([first, second])), np.arange(500))
    for code in range(4):
        total, taken = (codes == code).sum(), (codes[second] == code).sum()
        assert 1 <= taken <= total - 1
        assert abs(taken - share * total) <= 1


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    codes = np.repeat(np.arange(3), 50)
    assert np.array_equal(stratified_rows(codes, 0.2, 1)[1], stratified_rows(codes, 0.2, 1)[1])
    assert not np.array_equal(stratified_rows(codes, 0.2, 1)[1], stratified_rows(codes, 0.2, 2)[1])


def test_one_record_of_a_class_cannot_be_divided():
    with pytest.raises(RefusedError, match="class number 1 has 1 record"):
        stratified_rows(np.array([0, 0, 1]), 0.5, 0)


def test_predefined_test_and_drawn_test(project: Project, config: Config):
    splits = read_splits(config.data, project.root, 42)
    assert {name: len(table) for name, table in splits.items()} == {"train": 270, "validation": 30, "test": 100}
    drawn = config.data.model_dump() | {"files": {"train": "train.parquet"}, "split": {"test": 0.2, "validation": 0.1}}
    splits = read_splits(ImageSpec.model_validate(drawn), project.root, 42)
    ids = [set(table.column("id").to_pylist()) for table in splits.values()]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 300
    assert len(splits["test"]) == 60


def test_an_empty_class_is_named(project: Project, config: Config):
    path = project.root / "data/fashion/train.parquet"
    table = pq.read_table(path)
    keep = [label != "bag" for label in table.column("label").to_pylist()]
    pq.write_table(table.filter(pa.array(keep)), path)
    with pytest.raises(RefusedError, match="class 'bag' has no record"):
        read_splits(config.data, project.root, 42)
