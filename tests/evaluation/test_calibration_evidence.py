"""calibration.json and uncertainty.json: against other libraries, and what they say of models that are known."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from lightloop.evaluation.calibration import bins_of, ece_if_calibrated, judged
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.figures import area_of, mean_of, wilson, with_intervals
from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.evaluation.uncertainty import mutual_information

HOW = Resampling(0.95, 500, 0)


def world(n: int, sharpness: float, seed: int):
    generator = np.random.default_rng(seed)
    logits_NK = generator.normal(size=(n, 3))
    p_NK = np.exp(logits_NK) / np.exp(logits_NK).sum(1, keepdims=True)
    labels_N = (p_NK.cumsum(1) > generator.random((n, 1))).argmax(1)
    said_NK = p_NK**sharpness
    return said_NK / said_NK.sum(1, keepdims=True), labels_N


@pytest.mark.parametrize(("count", "n"), [(0, 5), (5, 5), (3, 17), (900, 1000)])
def test_shares_have_wilsons_interval(count, n):
    expected = binomtest(count, n).proportion_ci(0.95, method="wilson")
    found = wilson(count, n, 0.95)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(0, 0, 0.95) == {"value": None, "low": None, "high": None}


def test_a_calibrated_model_shows_what_noise_alone_shows():
    """Its calibration error is not 0 on few records, and the file says how much of it is noise."""
    values, expected, debiased, bias = [], [], [], []
    for seed in range(40):
        p_NK, labels_N = world(300, 1.0, seed)
        found = judged(WeightedMetrics(labels_N, p_NK, ("ece",)), p_NK, HOW)["ece"]
        values.append(found["value"])
        expected.append(found["if_calibrated"])
        debiased.append(found["debiased"])
        bias.append(found["bias"])
    assert np.mean(values) == pytest.approx(np.mean(expected), rel=0.1)
    assert min(bias) > 0
    assert np.mean(debiased) < np.mean(values)


def test_a_model_that_is_too_sure_shows_more():
    p_NK, labels_N = world(3000, 3.0, 0)
    found = judged(WeightedMetrics(labels_N, p_NK, ("ece", "log_loss")), p_NK, HOW)
    assert found["ece"]["low"] > 3 * found["ece"]["if_calibrated"]
    rows = [row for row in found["curve"] if row["n"] > 100]
    assert all(row["accuracy"]["high"] < row["confidence"] for row in rows if row["confidence"] > 0.6)
    assert sum(row["n"] for row in found["curve"]) == 3000
    # The curve and the metric have the same bins.
    gaps = sum(row["n"] * abs(row["accuracy"]["value"] - row["confidence"]) for row in found["curve"] if row["n"])
    assert found["ece"]["value"] == pytest.approx(gaps / 3000)
    assert ece_if_calibrated(np.ones(50), bins_of(np.ones(50)), 0) == 0


def test_figures_are_means_and_areas_with_intervals():
    generator = np.random.default_rng(0)
    values_N, part_N = generator.normal(size=200), generator.random(200) < 0.3
    wrong_N = values_N + generator.normal(size=200) > 0
    figures = {
        "mean": mean_of(values_N, part_N),
        "area": area_of(wrong_N, values_N),
        "none": mean_of(values_N, values_N > 99),
    }
    found = with_intervals(Draws(200), figures, HOW)
    assert found["mean"]["value"] == pytest.approx(values_N[part_N].mean())
    assert found["area"]["value"] == pytest.approx(roc_auc_score(wrong_N, values_N))
    assert found["area"]["low"] < found["area"]["value"] < found["area"]["high"]
    assert found["none"] == {"value": None, "low": None, "high": None}


def test_mutual_information_is_what_the_parts_do_not_share():
    p_SNK = np.random.default_rng(0).dirichlet(np.ones(3), size=(7, 20))
    mean_NK = p_SNK.mean(0)
    # The mean divergence of the parts from their mean.
    expected = (p_SNK * np.log(p_SNK / mean_NK)).sum(-1).mean(0)
    np.testing.assert_allclose(mutual_information(p_SNK), expected)
    assert mutual_information(np.repeat(p_SNK[:1], 5, 0)) == pytest.approx(np.zeros(20), abs=1e-12)
