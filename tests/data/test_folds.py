"""Folds: every record held out once, classes alike, groups whole, the past before the future."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.config.series import SeriesSpec
from lightloop.data.folds import Fold, draw_folds
from lightloop.errors import RefusedError

N = 240


@pytest.fixture
def spec(config: Config) -> ImageSpec:
    assert isinstance(config.data, ImageSpec)
    return config.data


def with_policy(spec: ImageSpec, policy: str) -> ImageSpec:
    columns = {"image": "feature", "label": "target", "who": "group", "when": "time"}
    content = spec.model_dump() | {"columns": columns, "split": {"policy": policy, "validation": 0.2}}
    return ImageSpec.model_validate(content)


@pytest.fixture
def pool(spec: ImageSpec) -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table(
        {
            "id": [f"train/{row}" for row in range(N)],
            "label": random.choice(spec.classes, N, p=[0.28] + [0.08] * 9).tolist(),
            "who": [None if row % 40 == 0 else f"person {row % 30}" for row in range(N)],
            "when": random.permutation(N),
        }
    )


def check_parts(fold: Fold):
    parts = [set(rows.tolist()) for rows in (fold.train, fold.validation, fold.held_out)]
    assert all(parts), "no part is empty"
    assert len(set.union(*parts)) == sum(map(len, parts)), "parts are disjoint"


@pytest.mark.parametrize("policy", ["stratified", "group", "random"])
@pytest.mark.parametrize("folds", [2, 5])
def test_every_record_is_held_out_once(spec: ImageSpec, pool: pa.Table, policy: str, folds: int):
    drawn = draw_folds(pool, with_policy(spec, policy), folds, seed=3)
    assert sorted(np.concatenate([fold.held_out for fold in drawn]).tolist()) == list(range(N))
    for fold in drawn:
        check_parts(fold)
        assert fold.drawn
        assert len(fold.train) + len(fold.validation) + len(fold.held_out) == N


def test_classes_are_alike(spec: ImageSpec, pool: pa.Table):
    labels = pool.column("label").to_pylist()
    total = Counter(labels)
    for fold in draw_folds(pool, with_policy(spec, "stratified"), 4, seed=0):
        held_out = Counter(labels[row] for row in fold.held_out)
        assert all(abs(held_out[name] - total[name] / 4) <= 1 for name in spec.classes)


def test_groups_stay_whole_in_all_three_parts(spec: ImageSpec, pool: pa.Table):
    who = pool.column("who").to_pylist()
    for fold in draw_folds(pool, with_policy(spec, "group"), 3, seed=0):
        names = [{who[row] for row in rows} - {None} for rows in (fold.train, fold.validation, fold.held_out)]
        assert not names[0] & names[1]
        assert not names[0] & names[2]
        assert not names[1] & names[2]


def test_the_past_is_trained_on_and_the_future_held_out(spec: ImageSpec, pool: pa.Table):
    when = pool.column("when").to_numpy()
    drawn = draw_folds(pool, with_policy(spec, "time"), 4, seed=0)
    lengths = []
    for fold in drawn:
        check_parts(fold)
        assert not fold.drawn
        assert when[fold.train].max() < when[fold.validation].min()
        assert when[fold.validation].max() < when[fold.held_out].min()
        lengths.append(len(fold.train) + len(fold.validation))
    assert lengths == sorted(set(lengths)), "the window expands"
    ends = [when[fold.held_out].max() for fold in drawn]
    assert ends == sorted(ends)
    assert ends[-1] == N - 1
    again = draw_folds(pool, with_policy(spec, "time"), 4, seed=9)
    assert all(np.array_equal(a.held_out, b.held_out) for a, b in zip(drawn, again, strict=True))


def series_spec(horizon: int) -> SeriesSpec:
    return SeriesSpec.model_validate(
        {
            "name": "s",
            "modality": "series",
            "problem": "forecasting",
            "path": "data/s",
            "files": {"train": "s.parquet"},
            "columns": {"t": "time", "y": "target"},
            "split": {"policy": "time", "test": 0.2, "validation": 0.2},
            "expectations": "s",
            "window": 4,
            "horizon": horizon,
        }
    )


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("horizon", [1, 7])
def test_no_step_that_is_forecast_was_a_target_in_training(folds: int, horizon: int):
    pool = pa.table({"id": [str(row) for row in range(100)]})
    for fold in draw_folds(pool, series_spec(horizon), folds, seed=0):
        check_parts(fold)
        # Window w forecasts the steps w to w + horizon - 1.
        assert fold.train.max() + horizon - 1 < fold.validation.min()
        assert fold.validation.max() + horizon - 1 < fold.held_out.min()


def test_one_fold_holds_out_the_validation_share(spec: ImageSpec, pool: pa.Table):
    (fold,) = draw_folds(pool, with_policy(spec, "stratified"), 1, seed=0)
    check_parts(fold)
    assert len(fold.held_out) == pytest.approx(0.2 * N, abs=5)


@pytest.mark.parametrize("policy", ["stratified", "group", "random"])
def test_seeds_draw_other_folds_and_the_same_seed_the_same(spec: ImageSpec, pool: pa.Table, policy: str):
    first, again, other = (draw_folds(pool, with_policy(spec, policy), 3, seed=seed)[0] for seed in (1, 1, 2))
    for part in ("train", "validation", "held_out"):
        assert np.array_equal(getattr(first, part), getattr(again, part))
    assert not np.array_equal(first.held_out, other.held_out)


def test_too_few_records_are_one_sentence(spec: ImageSpec, pool: pa.Table):
    few = pool.filter(pa.array([label != "bag" or row < 20 for row, label in enumerate(pool["label"].to_pylist())]))
    with pytest.raises(RefusedError, match=r"fashion has \d records of class 'bag' to train on, but folds=9 needs"):
        draw_folds(few, with_policy(spec, "stratified"), 9, seed=0)
    same = pool.set_column(pool.schema.get_field_index("who"), "who", pa.array(["one"] * N))
    with pytest.raises(RefusedError, match="fashion has 1 groups to train on, but folds=2"):
        draw_folds(same, with_policy(spec, "group"), 2, seed=0)
    with pytest.raises(RefusedError, match="fashion has 3 records to train on, but folds=5"):
        draw_folds(pool.slice(0, 3), with_policy(spec, "time"), 5, seed=0)
    with pytest.raises(RefusedError, match="too few for 3 folds in the order of time"):
        draw_folds(pool.slice(0, 12), series_spec(10), 3, seed=0)
