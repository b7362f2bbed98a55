"""Conformal sets and intervals: coverage on simulated records that are exchangeable, and sizes by hand."""

import numpy as np
import pytest
from scipy.stats import binom

from lightloop.calibration.conformal import (
    conformal_intervals,
    conformal_quantile,
    conformal_sets,
    least_records,
)
from lightloop.calibration.rules import Abstain, Calibration, Conformal, Quantiles, set_scores
from lightloop.config.calibration import UncertaintyConfig
from lightloop.errors import LightloopError
from lightloop.evaluation.uncertainty import expected_coverage

TRIALS = 3000


def simulated(n: int, seed: int, classes: int = 4):
    """Probabilities that are wrong about the labels: conformal coverage does not need them to be right."""
    generator = np.random.default_rng(seed)
    logits_NK = generator.normal(size=(n, classes)) * 2
    p_NK = np.exp(logits_NK) / np.exp(logits_NK).sum(1, keepdims=True)
    labels_N = (p_NK.cumsum(1) > generator.random((n, 1))).argmax(1)
    sharper_NK = p_NK**3
    return sharper_NK / sharper_NK.sum(1, keepdims=True), labels_N


def covered_once(score: str, by_class: str, level: float, n: int, trials: int) -> tuple[int, np.ndarray, np.ndarray]:
    """In how many of independent trials (n fitted, one asked) the set holds the truth, and the same by class."""
    settings = UncertaintyConfig(levels=(level,), score=score, by_class=by_class)
    p_NK, labels_N = simulated((n + 1) * trials, seed=7)
    hits, of_class, all_class = 0, np.zeros(4), np.zeros(4)
    for trial in range(trials):
        rows = slice(trial * (n + 1), (trial + 1) * (n + 1))
        p, labels = p_NK[rows], labels_N[rows]
        released = Calibration(conformal=conformal_sets(p[:-1], labels[:-1], settings))
        inside = bool(released.sets(p[-1:])[0, labels[-1]])
        hits += inside
        of_class[labels[-1]] += inside
        all_class[labels[-1]] += 1
    return hits, of_class, all_class


@pytest.mark.parametrize(("score", "level"), [("lac", 0.9), ("lac", 0.6), ("aps", 0.8)])
def test_sets_hold_the_truth_as_often_as_promised(score, level):
    n = 49
    hits, _, _ = covered_once(score, "never", level, n, TRIALS)
    # The exact chance, for scores without ties.
    chance = np.ceil((n + 1) * level - 1e-9) / (n + 1)
    low, high = binom.ppf([0.0005, 0.9995], TRIALS, chance)
    assert low <= hits <= high


def test_each_class_is_covered_where_each_has_its_quantile():
    _, hits_K, n_K = covered_once("lac", "always", 0.8, 79, 1500)
    assert (hits_K >= binom.ppf(0.0005, n_K.astype(int), 0.8)).all()


def test_the_quantile_is_the_finite_sample_one():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 100.0))
    assert conformal_quantile(scores, 0.9) == 90
    assert conformal_quantile(scores, 0.99) == 99
    assert conformal_quantile(scores, 0.995) is None
    assert least_records(0.99) == 99
    for level in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        least = least_records(level)
        assert conformal_quantile(np.zeros(least), level) is not None
        assert conformal_quantile(np.zeros(least - 1), level) is None


def test_intervals_hold_the_truth_as_often_as_promised():
    generator = np.random.default_rng(3)
    n, level = 19, 0.9
    noise = generator.standard_t(3, size=(TRIALS, n + 1))
    hits = 0
    for row in noise:
        found = conformal_intervals(row[:-1, None], np.zeros((n, 1)), None, (level,))
        low, high = Calibration(conformal=found).intervals(np.zeros((1, 1)), None)[0, 0]
        hits += low <= row[-1] <= high
    low, high = binom.ppf([0.0005, 0.9995], TRIALS, 18 / 20)
    assert low <= hits <= high


def test_quantile_regression_is_widened_or_narrowed_to_its_level():
    generator = np.random.default_rng(4)
    scale_N = generator.uniform(0.5, 3, 4000)
    labels_NH = (scale_N * generator.normal(size=4000))[:, None]
    for width in (0.3, 4.0):  # far too sure, far too unsure
        quantiles_NHQ = np.stack([-width * scale_N, 0 * scale_N, width * scale_N], 1)[:, None, :]
        found = conformal_intervals(labels_NH[:2000], np.zeros((2000, 1)), quantiles_NHQ[:2000], (0.8,))
        assert found.score == "cqr"
        ends = Calibration(conformal=found).intervals(np.zeros((2000, 1)), quantiles_NHQ[2000:])
        inside = (ends[:, 0, 0] <= labels_NH[2000:, 0]) & (labels_NH[2000:, 0] <= ends[:, 0, 1])
        assert abs(inside.mean() - 0.8) < 0.03
        assert (ends[:, 0, 0] <= ends[:, 0, 1]).all()


def test_too_few_records_rule_nothing_out():
    p_NK, labels_N = simulated(5, 0)
    released = Calibration(conformal=conformal_sets(p_NK, labels_N, UncertaintyConfig()))
    assert released.conformal.levels[0].quantiles == (None,)
    assert released.sets(p_NK).all()
    released = Calibration(conformal=conformal_intervals(np.zeros((3, 1)), np.zeros((3, 1)), None, (0.9,)))
    assert np.isinf(released.intervals(np.zeros((2, 1)), None)).all()
    assert Calibration().sets(p_NK).all()


def test_classes_get_quantiles_of_their_own_where_they_are_large_enough():
    p_NK, labels_N = simulated(1000, 0)
    assert conformal_sets(p_NK, labels_N, UncertaintyConfig()).by_class
    assert not conformal_sets(p_NK[:100], labels_N[:100], UncertaintyConfig()).by_class
    assert not conformal_sets(p_NK, labels_N, UncertaintyConfig(by_class="never")).by_class


def test_records_on_the_edge_are_inside_however_they_are_rounded():
    """Isotonic scaling gives many records the very probability of the quantile, and the graph answers float32."""
    p_NK = np.tile([[1 / (1 + 1e-4), 1e-4 / (1 + 1e-4)]], (60, 1))
    labels_N = np.zeros(60, np.int64)
    for score in ("lac", "aps"):
        settings = UncertaintyConfig(score=score, by_class="never")
        released = Calibration(conformal=conformal_sets(p_NK, labels_N, settings))
        for shift in (-1e-6, 0, 1e-6):
            assert released.sets(np.add(p_NK, [shift, -shift]).astype(np.float32))[:, 0].all()
    limited = Calibration(abstain=Abstain(name="accuracy", limit=float(p_NK[0, 0])))
    assert not limited.abstains((p_NK - [1e-6, 0]).astype(np.float32)).any()


def test_aps_sums_down_to_each_class_and_unknown_levels_are_refused():
    p_NK = np.random.default_rng(0).dirichlet(np.ones(5), 50)
    expected = [[row[row >= value].sum() for value in row] for row in p_NK]
    np.testing.assert_allclose(set_scores(p_NK, "aps"), expected)
    found = Conformal(score="lac", n=(9,), levels=(Quantiles(level=0.9, quantiles=(0.5,)),))
    with pytest.raises(LightloopError, match=r"no conformal quantiles of level 0.8: the levels are 0.9"):
        Calibration(conformal=found).sets(p_NK, 0.8)


def test_the_expected_range_is_that_of_simulated_draws():
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(4000):
        quantile = conformal_quantile(generator.random(99), 0.9)
        shares.append((generator.random(200) <= quantile).mean())
    low, high = np.quantile(shares, [0.025, 0.975])
    found = expected_coverage(99, 200, 0.9)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.01)
    assert expected_coverage(5, 200, 0.9) is None
