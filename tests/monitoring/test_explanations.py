"""Drift of what answers rest on: by a real bundle, and against an independent permutation test."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from answers_world import CONFIG
from scipy import stats
from tiny_bundles import KINDS, tiny_bundle

from lightloop.monitoring import explanations
from lightloop.monitoring.against import Against
from lightloop.monitoring.explanations import compare
from lightloop.serving.attributions import attributions
from lightloop.serving.predictor import Predictor
from lightloop.serving.profile import Attributions, HeldOut, Profile


def sizes(count: int, seed: int, scale: list[float]) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, size=(count, len(scale))) * scale


def test_the_p_value_is_that_of_scipys_permutation_test() -> None:
    now, held = sizes(20, 1, [3, 2, 1]), sizes(25, 2, [2, 2, 2])

    def moved(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.abs(first.sum(0) / first.sum() - second.sum(0) / second.sum()).sum() / 2)

    found = compare(now, held, seed=0)
    assert found.size == pytest.approx(moved(now, held))
    assert found.figures["rank_correlation"] == pytest.approx(stats.spearmanr(now.mean(0), held.mean(0)).statistic)
    generator = np.random.default_rng(3)
    both = np.concatenate([now, held])
    drawn = [moved(one[:20], one[20:]) for one in (generator.permutation(both) for _ in range(2000))]
    assert found.p == pytest.approx(np.mean([one >= found.size for one in drawn]), abs=0.03)


def test_the_same_parts_in_another_strength_are_no_drift() -> None:
    """The score may be larger everywhere: shares are compared."""
    assert compare(sizes(50, 4, [9, 6, 3]), sizes(50, 5, [3, 2, 1]), seed=0).p > 0.01


def test_a_single_part_and_parts_without_any_size_do_not_drift() -> None:
    assert compare(np.ones((5, 1)), np.ones((5, 1)), seed=0).p == 1.0
    assert compare(np.zeros((5, 3)), np.zeros((5, 3)), seed=0).p == 1.0


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor.load(tiny_bundle("tabular", tmp_path / "bundle"))


def people(count: int, seed: int, *, spread: float) -> pa.Table:
    """Records whose age tells much or little; which town says as much in all of them."""
    generator = np.random.default_rng(seed)
    return pa.table(
        {
            "the age": generator.normal(45, spread, size=count).clip(18, 90),
            "income €/a": generator.random(count),
            "class": generator.choice(["Oslo", "Rome"], size=count).tolist(),
        }
    )


def reference(predictor: Predictor) -> Against:
    held = attributions(predictor, people(60, 1, spread=15), seed=0)
    assert held
    assert held.names == ("the age", "income €/a", "class")
    mean, std = held.sizes_NU.mean(0).tolist(), held.sizes_NU.std(0).tolist()
    profiled = Attributions(n=60, names=held.names, mean=tuple(mean), std=tuple(std))
    profile = Profile(n=100, held_out=60, attributions=profiled)
    return Against(predictor.manifest, profile, HeldOut(attributions=held.sizes_NU), CONFIG)


def test_answers_that_rest_on_another_column_are_found(predictor: Predictor) -> None:
    against = reference(predictor)
    (same,) = explanations.look(people(80, 2, spread=15), predictor, against)
    (other,) = explanations.look(people(80, 3, spread=0.5), predictor, against)
    assert same.p_value is not None
    assert same.p_value > 0.01
    assert other.alarm
    assert other.p_value is not None
    assert other.p_value < 0.001
    assert "60 answers rest on has moved, most of all of" in other.sentence
    assert other.figures["rank_correlation"] <= 1


def test_income_that_is_not_looked_at_has_no_size(predictor: Predictor) -> None:
    held = attributions(predictor, people(20, 4, spread=15))
    assert held
    assert held.sizes_NU.dtype == np.float32
    assert np.allclose(held.sizes_NU[:, 1], 0)
    again = attributions(predictor, people(20, 4, spread=15))
    assert again
    assert np.array_equal(held.sizes_NU, again.sizes_NU)


def test_records_that_the_log_does_not_keep_whole_are_said(predictor: Predictor) -> None:
    (found,) = explanations.look(pa.table({"the age": ["?"] * 40}), predictor, reference(predictor))
    assert (found.alarm, found.p_value) == (False, None)
    assert found.sentence.startswith("the log does not hold records as they were asked")


def test_few_records_and_bundles_that_do_not_explain_say_nothing(tmp_path: Path, predictor: Predictor) -> None:
    assert explanations.look(people(10, 5, spread=15), predictor, reference(predictor)) == []
    noise = Predictor.load(tiny_bundle("noise", tmp_path / "noise"))
    assert attributions(noise, pa.table({"noise": [[0.0]]})) is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("tabular", "noise")])
def test_every_kind_of_record_is_explained(kind: str, tmp_path: Path) -> None:
    one = Predictor.load(tiny_bundle(kind, tmp_path / "bundle"))
    records = one.table(list(one.golden.records))
    found = attributions(one, records, evaluations=32)
    assert found
    assert found.sizes_NU.shape == (len(records), len(found.names))
    assert (found.sizes_NU >= 0).all()


@pytest.mark.long
def test_without_a_change_p_values_are_uniform() -> None:
    found = [compare(sizes(30, seed, [3, 2, 1]), sizes(40, 1000 + seed, [3, 2, 1]), seed).p for seed in range(200)]
    assert stats.kstest(found, "uniform").pvalue > 0.001
