"""Two models on the same records, against SciPy and by simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from lightloop.evaluation.comparison import compare_metrics, corrected, holm, mcnemar_exact
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.metrics import WeightedMetrics

HOW = Resampling(0.95, 300, 1)


def models(generator, first, second, records=300):
    """Scorers of two models that are right with these chances, apart from each other."""
    labels = generator.integers(2, size=records)
    scorers = []
    for chance in (first, second):
        said = np.where(generator.random(records) < chance, labels, 1 - labels)
        sure = generator.uniform(0.6, 0.95, size=records)
        p = np.where(said == 1, sure, 1 - sure)
        scorers.append(WeightedMetrics(labels, np.stack([1 - p, p], axis=1)))
    return scorers


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (3, 0), (12, 4), (7, 7), (0, 9)])
def test_mcnemar_is_the_sign_test_on_records_that_one_alone_gets_right(better, worse):
    ours = np.array([0] * better + [1] * worse + [0, 1, 0])
    theirs = np.array([1] * better + [0] * worse + [0, 1, 0])
    found = mcnemar_exact(ours, theirs)
    expected = binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert found == {
        "n": len(ours),
        "challenger_only": better,
        "champion_only": worse,
        "p": pytest.approx(min(1.0, expected)),
    }


@pytest.mark.slow
def test_holm_is_that_of_statsmodels_and_skips_what_is_undefined():
    p = [0.03, 0.001, 0.2, 0.04]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert holm([]) == []
    rows = corrected([{"p": value} for value in [*p, None]], {"p": "holm"})
    assert [row["holm"] for row in rows] == [*holm(p), None]


def test_rows_say_difference_interval_and_both_p_values():
    generator = np.random.default_rng(0)
    worse, better = models(generator, 0.7, 0.85)
    rows = compare_metrics(worse, better, {"accuracy": 0.01, "log_loss": 5.0}, HOW)
    by_name = {row["metric"]: row for row in rows}
    accuracy = by_name["accuracy"]
    assert accuracy["low"] < accuracy["value"] < accuracy["high"] < 0
    assert accuracy["p"] < 0.05
    assert accuracy["p_worse"] <= accuracy["holm_worse"] < 0.05
    # With a margin of 5 nats nothing is worse.
    assert by_name["log_loss"]["value"] < 0
    assert by_name["log_loss"]["holm_worse"] > 0.9


@pytest.mark.slow
def test_p_and_interval_say_the_same():
    for seed in range(4):
        pair = models(np.random.default_rng(seed), 0.78, 0.84)
        (row,) = compare_metrics(*pair, {"accuracy": 0.0}, HOW)
        outside = row["high"] < 0 or row["low"] > 0
        assert outside == (row["p"] < 0.05) or abs(row["p"] - 0.05) < 0.02


@pytest.mark.slow
def test_the_same_model_differs_in_nothing():
    one, _ = models(np.random.default_rng(0), 0.8, 0.8)
    for row in compare_metrics(one, one, {"accuracy": 0.0, "auroc": 0.0}, HOW):
        assert (row["value"], row["low"], row["high"]) == (0, 0, 0)
        assert row["p"] == row["p_worse"] == row["holm_worse"] == 1


def test_an_undefined_metric_has_no_p_value():
    labels = np.zeros(40, dtype=np.int64)
    p = np.tile([0.7, 0.3], (40, 1))
    scorers = [WeightedMetrics(labels, p)] * 2
    rows = compare_metrics(*scorers, {"auroc": 0.0, "accuracy": 0.0}, HOW)
    assert rows[0] == {
        "metric": "auroc",
        "margin": 0.0,
        **dict.fromkeys(("value", "low", "high", "p", "p_worse", "holm", "holm_worse")),
    }
    assert rows[1]["holm"] == 1


@pytest.mark.long
def test_equal_models_are_seldom_called_worse():
    """The gate's rule on four metrics at 5 %: false alarms in at most 5 % of cases, but for chance in 80 repeats."""
    margins = {"accuracy": 0.0, "macro_f1": 0.0, "auroc": 0.0, "log_loss": 0.0}
    alarms = 0
    for seed in range(80):
        rows = compare_metrics(*models(np.random.default_rng(seed), 0.8, 0.8), margins, Resampling(0.95, 200, seed))
        alarms += any(row["holm_worse"] < 0.05 for row in rows)
    assert alarms <= 10  # Binomial(80, 0.05) is larger once in 400 times
