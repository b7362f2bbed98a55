"""The tests behind the looks at answers, against independent implementations and under no change at all."""

import numpy as np
import pytest
from answers_world import held_classes, labels_of, probabilities
from scipy import stats
from sklearn.metrics import roc_auc_score

from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.monitoring.comparing import counts_differ, metric_worse, numbers_differ, share_differs


def test_numbers_are_compared_as_statsmodels_and_scipy_do() -> None:
    generator = np.random.default_rng(0)
    now, then = generator.normal(size=60), generator.normal(0.8, size=90)
    found = numbers_differ(now, then)
    both = np.sort(np.concatenate([now, then]))
    below = [np.searchsorted(np.sort(one), both, side="right") / len(one) for one in (now, then)]
    assert found.size == pytest.approx(np.abs(below[0] - below[1]).max())
    assert found.p < 0.001
    assert found.figures["wasserstein"] == pytest.approx(
        np.abs(np.quantile(now, grid := np.linspace(0, 1, 4001)) - np.quantile(then, grid)).mean(), abs=0.03
    )
    assert numbers_differ(now, then, "less").p > 0.9
    assert numbers_differ(now, then, "greater").p < 0.001


@pytest.mark.parametrize("counts", [([40, 30, 30], [30, 40, 30]), ([300, 20, 5], [250, 40, 9])])
def test_frequent_classes_are_compared_by_chi_square(counts: tuple[list[int], list[int]]) -> None:
    table = np.array(counts)
    found = counts_differ(*table)
    assert found.p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    shares = table / table.sum(1, keepdims=True)
    middle = shares.mean(0)
    divergence = np.mean([stats.entropy(one, middle, base=2) for one in shares])
    assert found.figures["jensen_shannon"] == pytest.approx(np.sqrt(divergence))
    assert found.size == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)


def test_rare_classes_are_compared_exactly() -> None:
    now, then = np.array([3, 4, 0, 1]), np.array([1, 9, 6, 0])
    exact = counts_differ(now, then).p
    drawn = stats.chi2_contingency(
        np.stack([now, then]), correction=False, method=stats.PermutationMethod(n_resamples=4000, rng=1)
    ).pvalue
    assert exact == pytest.approx(drawn, abs=0.03)


@pytest.mark.parametrize("empty", [([0, 0], [3, 4]), ([5, 0], [7, 0]), ([0, 0], [0, 0])])
def test_counts_that_say_nothing_do_not_differ(empty: tuple[list[int], list[int]]) -> None:
    assert counts_differ(*(np.array(one) for one in empty)).p == 1.0


def test_shares_of_nothing_do_not_differ() -> None:
    assert share_differs(0, 0, 3, 10).p == share_differs(3, 10, 0, 0).p == 1.0


def pooled(seed: int, now: int, held: int, *, flip: float = 0.0) -> tuple[WeightedMetrics, np.ndarray]:
    generator = np.random.default_rng(seed)
    p_NK = probabilities(now + held, generator)
    labels_N = labels_of(p_NK, generator)
    now_N = np.arange(now + held) >= held
    labels_N = np.where(now_N & (generator.random(len(now_N)) < flip), 1 - labels_N, labels_N)
    return WeightedMetrics(labels_N, p_NK, ["accuracy", "auroc"]), now_N


@pytest.mark.parametrize("metric", ["accuracy", "auroc"])
def test_a_metric_that_became_worse_is_found_and_named_with_its_own_sign(metric: str) -> None:
    scorer, now_N = pooled(1, 300, 300, flip=0.4)
    found = metric_worse(scorer, now_N, metric, seed=0)
    assert found.size > 0.1
    assert found.p < 1e-4
    assert found.size == pytest.approx(found.figures["then"] - found.figures["now"])
    better = metric_worse(scorer, ~now_N, metric, seed=0)
    assert (better.size, better.p) == (pytest.approx(-found.size), 1.0)


def test_the_area_of_a_part_is_that_of_scikit_learn() -> None:
    scorer, now_N = pooled(2, 150, 150, flip=0.2)
    held = held_classes(10)
    assert held.labels.shape == (10,)
    generator = np.random.default_rng(2)
    p_NK = probabilities(300, generator)
    found = metric_worse(scorer, now_N, "auroc", seed=0)
    assert found.figures["now"] == pytest.approx(roc_auc_score(scorer.labels_N[now_N], p_NK[now_N, 1]))


def test_permutations_of_few_records_agree_with_fishers_exact_test() -> None:
    labels = np.array([0] * 20 + [0] * 12 + [1] * 8)
    p_NK = np.tile([0.9, 0.1], (40, 1))
    scorer, now_N = WeightedMetrics(labels, p_NK, ["accuracy"]), np.arange(40) >= 20
    found = metric_worse(scorer, now_N, "accuracy", seed=0)
    assert found.p == pytest.approx(share_differs(8, 20, 0, 20, "greater").p, abs=0.002)


def test_many_records_are_sure_beyond_the_number_of_permutations() -> None:
    scorer, now_N = pooled(3, 3000, 3000, flip=0.2)
    found = metric_worse(scorer, now_N, "accuracy", seed=0)
    share = share_differs(
        round((1 - found.figures["now"]) * 3000), 3000, round((1 - found.figures["then"]) * 3000), 3000, "greater"
    )
    assert found.p < 1e-8
    assert np.log10(found.p) == pytest.approx(np.log10(share.p), rel=0.25)


def test_an_undefined_metric_says_nothing() -> None:
    scorer = WeightedMetrics(np.zeros(20, dtype=np.int64), np.tile([0.9, 0.1], (20, 1)), ["auroc"])
    found = metric_worse(scorer, np.arange(20) >= 10, "auroc", seed=0)
    assert np.isnan(found.size)
    assert found.p == 1.0


def test_blocks_change_places_together() -> None:
    """Of 6 blocks that each say one thing, 3 against 3: the most extreme division is one of 20."""
    labels = np.repeat([0, 0, 0, 1, 1, 1], 50)
    scorer, now_N = WeightedMetrics(labels, np.tile([0.9, 0.1], (300, 1)), ["accuracy"]), np.arange(300) >= 150
    assert metric_worse(scorer, now_N, "accuracy", seed=0, block=50).p == pytest.approx(1 / 20, abs=0.02)
    assert metric_worse(scorer, now_N, "accuracy", seed=0).p <= 1e-4


@pytest.mark.long
@pytest.mark.parametrize("metric", ["accuracy", "auroc"])
def test_without_a_change_p_values_are_at_most_uniform(metric: str) -> None:
    found = [metric_worse(*pooled(seed, 60, 120), metric, seed=seed).p for seed in range(300)]
    for level in (0.01, 0.05, 0.2):
        share = np.mean([p <= level for p in found])
        assert share <= level + 3 * np.sqrt(level * (1 - level) / 300)
