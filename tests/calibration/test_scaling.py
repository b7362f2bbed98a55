"""Temperature and isotonic scaling against SciPy, torch and scikit-learn, in the graph and out of it."""

import numpy as np
import onnxruntime as ort
import pytest
import torch
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from lightloop.calibration.fit import choose_scaling
from lightloop.calibration.rules import Scaling
from lightloop.calibration.scaling import (
    FLOOR,
    fit_isotonic,
    fit_scaling,
    fit_temperature,
    fold_numbers,
    log_losses,
    log_odds,
    scaled,
)
from lightloop.config.calibration import CalibrationConfig
from lightloop.tasks.answers import ClassAnswer
from lightloop.tasks.scaling import build_scaling


def records(n: int = 800, classes: int = 4, sharpness: float = 3.0, seed: int = 0):
    """Logits that are `sharpness` times those that the labels were drawn from, so that this is their temperature."""
    generator = np.random.default_rng(seed)
    true_NK = generator.normal(size=(n, classes)) * 1.5
    p_NK = np.exp(true_NK) / np.exp(true_NK).sum(1, keepdims=True)
    labels_N = (p_NK.cumsum(1) > generator.random((n, 1))).argmax(1)
    return (sharpness * true_NK).astype(np.float32), labels_N


def test_temperature_is_found_again_and_no_other_is_better():
    logits_NK, labels_N = records(6000)
    found = fit_temperature(logits_NK, labels_N)
    assert found == pytest.approx(3.0, rel=0.05)

    def loss(t: np.ndarray) -> float:
        return float(torch.nn.functional.cross_entropy(torch.tensor(logits_NK / t[0]), torch.tensor(labels_N)))

    independent = minimize(loss, [1.0], method="Nelder-Mead", options={"xatol": 1e-6}).x[0]
    assert found == pytest.approx(independent, rel=1e-3)


@pytest.mark.parametrize("classes", [2, 5])
def test_temperature_keeps_the_order_of_classes(classes):
    logits_NK, labels_N = records(classes=classes)
    p_NK = scaled(fit_scaling("temperature", logits_NK, labels_N), logits_NK)
    np.testing.assert_array_equal(np.argsort(p_NK, axis=1), np.argsort(logits_NK, axis=1))


class Odds(ClassifierMixin, BaseEstimator):
    """A finished classifier whose scores are the log-odds, for scikit-learn's own calibration."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, x):
        return self.classes_[x.argmax(1)]

    def decision_function(self, x):
        odds_NK = np.round(log_odds(x), 2)
        return odds_NK if len(self.classes_) > 2 else odds_NK[:, 1]


@pytest.mark.parametrize("classes", [2, 4])
def test_isotonic_is_that_of_scikit_learn(classes):
    logits_NK, labels_N = records(classes=classes)
    asked_NK, _ = records(300, classes, seed=1)
    peer = CalibratedClassifierCV(FrozenEstimator(Odds().fit(logits_NK, labels_N)), method="isotonic", ensemble=False)
    peer.fit(logits_NK, labels_N)
    # Between the points scikit-learn takes log-odds rounded to hundredths here, and we take them as they are.
    rounded_NK = np.round(log_odds(asked_NK), 2)
    curves = fit_isotonic(logits_NK, labels_N)
    ours_NK = np.stack([np.interp(rounded_NK[:, k], *np.array(curve).T) for k, curve in enumerate(curves)], 1)
    ours_NK /= ours_NK.sum(1, keepdims=True)
    np.testing.assert_allclose(ours_NK, peer.predict_proba(asked_NK), atol=classes * FLOOR)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "classes"), [("none", 3), ("temperature", 3), ("isotonic", 2), ("isotonic", 4)])
def test_numpy_torch_and_the_exported_graph_agree(name, classes, tmp_path):
    logits_NK, labels_N = records(300, classes)
    scaling = fit_scaling(name, logits_NK, labels_N)
    # Also what lies far outside of everything seen, and ties.
    asked_NK = np.concatenate([records(200, classes, seed=2)[0], 40 * np.eye(classes), np.zeros((1, classes))])
    asked_NK = asked_NK.astype(np.float32)
    answer = ClassAnswer(classes, scaling).eval()
    logits, p_NK = answer(torch.from_numpy(asked_NK))
    assert torch.equal(logits, torch.from_numpy(asked_NK))
    np.testing.assert_allclose(p_NK.numpy(), scaled(scaling, asked_NK), atol=2e-5)
    np.testing.assert_allclose(p_NK.sum(1), 1, atol=1e-6)
    path = tmp_path / "answer.onnx"
    batch = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        answer, (torch.zeros(2, classes),), path, input_names=["x"], dynamic_shapes=({0: batch},), dynamo=True,
        verbose=False, opset_version=20,
    )  # fmt: skip
    served = ort.InferenceSession(path).run(None, {"x": asked_NK})[1]
    np.testing.assert_allclose(served, p_NK.numpy(), atol=2e-5)


def test_isotonic_curves_rise_and_no_label_is_impossible():
    logits_NK, labels_N = records()
    for curve in fit_isotonic(logits_NK, labels_N):
        x, y = np.array(curve).T
        assert (np.diff(x) > 0.005).all()
        assert (np.diff(y) >= 0).all()
        assert y.min() >= FLOOR
    assert build_scaling(Scaling(name="isotonic", curves=(((0.0, 0.25),), ((0.0, 0.25), (1.0, 0.75)))))(
        torch.tensor([[0.0, 0.0]])
    ).tolist() == [[0.5, 0.5]]


def test_auto_takes_what_is_best_in_cross_validation():
    config = CalibrationConfig()
    sharp_NK, labels_N = records(600)
    scaling, candidates, notes = choose_scaling(config, sharp_NK, labels_N, 0)
    losses = {row["name"]: row["log_loss"] for row in candidates}
    assert scaling.name == min(losses, key=losses.get) == "temperature"
    assert [row["name"] for row in candidates if row["chosen"]] == ["temperature"]
    assert notes == []
    # On records that it never saw it is better as well.
    asked_NK, truth_N = records(2000, seed=9)
    assert (
        log_losses(scaled(scaling, asked_NK), truth_N).mean() < log_losses(scaled(Scaling(), asked_NK), truth_N).mean()
    )


def test_what_too_few_records_allow():
    logits_NK, labels_N = records(30)
    scaling, candidates, notes = choose_scaling(CalibrationConfig(), logits_NK, labels_N, 0)
    assert [row["name"] for row in candidates] == ["none", "temperature"]
    assert notes == ["30 records are too few to fit calibration=isotonic, which needs 50: it is left out"]
    scaling, _, notes = choose_scaling(CalibrationConfig(name="temperature"), logits_NK[:10], labels_N[:10], 0)
    assert scaling == Scaling()
    assert notes[0].startswith("10 records are too few to fit calibration=temperature")


def test_folds_share_each_class():
    labels_N = np.repeat([0, 1, 2], [50, 10, 5])
    fold_N = fold_numbers(labels_N, 5, seed=3)
    for k, n in ((0, 10), (1, 2), (2, 1)):
        assert np.bincount(fold_N[labels_N == k], minlength=5).tolist() == [n] * 5
