"""Splits: complete, disjoint, stratified, repeatable."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightloop.config.compose import compose_config
from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.folds import draw_folds
from lightloop.data.splits import group_folds, group_rows, read_splits, stratified_rows
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


def grouped(seed: int, groups: int, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Group and class of each row: groups of one to `largest` rows, of one class each, in mixed order."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, largest + 1, groups)
    classes = random.choice(3, groups, p=[0.6, 0.3, 0.1])
    order = random.permutation(sizes.sum())
    return np.repeat(np.arange(groups), sizes)[order], np.repeat(classes, sizes)[order]


@pytest.mark.parametrize("seed", [0, 1, 42])
@pytest.mark.parametrize("largest", [1, 2, 12])
@pytest.mark.parametrize("share", [0.1, 0.15, 0.5, 0.8])
def test_groups_stay_whole_and_classes_are_alike(seed: int, largest: int, share: float):
    groups, codes = grouped(seed, 300, largest)
    first, second = group_rows(groups, share, seed, codes)
    assert np.array_equal(np.sort(np.concatenate([first, second])), np.arange(len(groups)))
    assert not set(groups[first]) & set(groups[second])
    for code in range(3):
        total, taken = (codes == code).sum(), (codes[second] == code).sum()
        assert abs(taken - share * total) <= max(2, largest) + 0.01 * total, "a share of a hundredth, and one group"
    again = group_rows(groups, share, seed, codes)[1]
    assert np.array_equal(second, again)
    assert not np.array_equal(second, group_rows(groups, share, seed + 1, codes)[1])


@pytest.mark.parametrize("sizes", [[50, 1], [3, 3], [40, 2, 2], [1, 1, 1, 1], [90, 1, 1, 1, 1, 1, 1]])
@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_both_parts_have_records_however_unequal_the_groups(sizes: list[int], share: float):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    first, second = group_rows(groups, share, 0, groups % 2)
    assert len(first)
    assert len(second)
    assert not set(groups[first]) & set(groups[second])


def test_one_group_cannot_be_divided():
    with pytest.raises(RefusedError, match="all records are of one group"):
        group_rows(np.zeros(9, dtype=np.int64), 0.2, 0, np.arange(9) % 2)


def test_as_many_folds_as_groups_are_the_groups():
    """A column that names the fold of each record is a group column: folds that somebody else has drawn."""
    groups = np.random.default_rng(0).integers(0, 5, 200)
    parts = group_folds(groups, 5, 0, np.arange(200) % 2)
    assert sorted(set(groups[fold]).pop() for _, fold in parts) == list(range(5))
    assert all(len(set(groups[fold])) == 1 for _, fold in parts)


def test_real_messages_are_divided_by_clusters_with_classes_alike(repository: Project):
    spec = compose_config(repository, ["experiment=spam"]).data
    splits = read_splits(spec, repository.root, 42)
    whole = pa.concat_tables(splits.values())
    spam = np.mean(np.array(whole["label"].to_pylist()) == "spam")
    for one, table in splits.items():
        assert np.mean(np.array(table["label"].to_pylist()) == "spam") == pytest.approx(spam, abs=0.005)
        for other, rest in splits.items():
            if one != other:
                assert not set(table["group"].to_pylist()) & set(rest["group"].to_pylist())
    for fold in draw_folds(whole, spec, 5, 0):
        held_out = whole.take(fold.held_out)
        assert np.mean(np.array(held_out["label"].to_pylist()) == "spam") == pytest.approx(spam, abs=0.005)
        assert not set(held_out["group"].to_pylist()) & set(whole.take(fold.train)["group"].to_pylist())


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
