"""Losses against independent formulas: NumPy, SciPy, scikit-learn, torchvision.

Shapes: B batch, K classes.
"""

import numpy as np
import pytest
import torch
from scipy.special import huber, log_softmax, softmax
from sklearn.metrics import mean_pinball_loss
from small_training import changed

from lightloop.config.compose import validate_config
from lightloop.config.losses import (
    MAE,
    MSE,
    Binary,
    CrossEntropy,
    Custom,
    Focal,
    Hinge,
    Huber,
    Quantile,
    check_loss,
)
from lightloop.config.schema import Config
from lightloop.errors import UsageError
from lightloop.tasks.losses import build_loss

B, K = 50, 4
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 3, (B, K)).astype(np.float32)
LABELS = RANDOM.integers(0, K, B)
HARD = np.eye(K)[LABELS]
SOFT = RANDOM.dirichlet(np.ones(K), B).astype(np.float32)
WEIGHTS = np.array([0.5, 1.0, 2.0, 4.0], dtype=np.float32)


def value(config, outputs, targets, weights=None) -> float:
    given = None if weights is None else torch.from_numpy(weights)
    return build_loss(config, given)(torch.as_tensor(outputs), torch.as_tensor(targets)).item()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("targets", ["hard", "soft"])
def test_cross_entropy(smoothing: float, targets: str):
    given, shares = (LABELS, HARD) if targets == "hard" else (SOFT, SOFT)
    smooth = (1 - smoothing) * shares + smoothing / K
    expected = -(smooth * log_softmax(LOGITS, axis=1)).sum(1).mean()
    config = CrossEntropy(name="cross_entropy", label_smoothing=smoothing)
    assert value(config, LOGITS, given) == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_weighs_classes():
    losses = -log_softmax(LOGITS, axis=1)[np.arange(B), LABELS]
    expected = np.average(losses, weights=WEIGHTS[LABELS])
    assert value(CrossEntropy(name="cross_entropy"), LOGITS, LABELS, WEIGHTS) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", [None, np.array([0.3, 3.0], dtype=np.float32)], ids=["alike", "weighted"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_binary_is_cross_entropy_of_two_classes(weights, soft: bool):
    logits = LOGITS[:, :2]
    shares = np.stack([1 - SOFT[:, 0], SOFT[:, 0]], axis=1) if soft else np.eye(2)[LABELS % 2].astype(np.float32)
    given = shares if soft else LABELS % 2
    losses = -(shares * log_softmax(logits, axis=1)).sum(1)
    expected = np.average(losses, weights=None if weights is None else shares @ weights)
    assert value(Binary(name="binary"), logits, given, weights) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal(gamma: float):
    p = softmax(LOGITS.astype(np.float64), axis=1)
    for given, shares in ((LABELS, HARD), (SOFT, SOFT)):
        expected = -(shares * (1 - p) ** gamma * np.log(p)).sum(1).mean()
        assert value(Focal(name="focal", gamma=gamma), LOGITS, given) == pytest.approx(expected, rel=1e-4)
    expected = np.average(-((1 - p) ** gamma * np.log(p))[np.arange(B), LABELS], weights=WEIGHTS[LABELS])
    assert value(Focal(name="focal", gamma=gamma), LOGITS, LABELS, WEIGHTS) == pytest.approx(expected, rel=1e-4)


# of feature: image
def test_focal_of_two_classes_is_torchvision_s():
    from torchvision.ops import sigmoid_focal_loss

    logits, labels = torch.from_numpy(LOGITS[:, :2]), torch.from_numpy(LABELS % 2)
    expected = sigmoid_focal_loss(logits[:, 1] - logits[:, 0], labels.float(), alpha=-1, gamma=2, reduction="mean")
    assert build_loss(Focal(name="focal", gamma=2.0))(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)


# end


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_has_a_slope_where_the_answer_is_certain(gamma: float):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    loss = build_loss(Focal(name="focal", gamma=gamma))(logits, torch.tensor([0, 0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("power", [1, 2])
def test_hinge(power: int):
    margin = 0.7
    rows = np.arange(B)
    gaps = np.maximum(0, margin - LOGITS[rows, LABELS][:, None] + LOGITS) ** power
    gaps[rows, LABELS] = 0
    config = Hinge(name="hinge", margin=margin, power=power)
    assert value(config, LOGITS, LABELS) == pytest.approx((gaps.sum(1) / K).mean(), rel=1e-5)
    weighted = ((gaps.sum(1) / K) * WEIGHTS[LABELS]).mean() if power == 1 else None
    if weighted:
        assert value(config, LOGITS, LABELS, WEIGHTS) == pytest.approx(weighted, rel=1e-5)


def test_losses_of_numbers():
    truth, answer = LOGITS[:, :3], LOGITS[:, 1:]
    error = (answer - truth).astype(np.float64)
    assert value(MSE(name="mse"), answer, truth) == pytest.approx((error**2).mean(), rel=1e-5)
    assert value(MAE(name="mae"), answer, truth) == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert value(Huber(name="huber", delta=1.5), answer, truth) == pytest.approx(huber(1.5, error).mean(), rel=1e-5)


def test_quantiles_are_scikit_learn_s_pinball_loss():
    levels = (0.05, 0.5, 0.8)
    truth = RANDOM.normal(size=(B, 2)).astype(np.float32)
    answer = RANDOM.normal(size=(B, 2, 3)).astype(np.float32)
    expected = np.mean([mean_pinball_loss(truth, answer[..., q], alpha=level) for q, level in enumerate(levels)])
    found = value(Quantile(name="quantile", levels=levels), answer.reshape(B, 6), truth)
    assert found == pytest.approx(expected, rel=1e-5)


def test_quantiles_of_a_sample_make_it_smallest():
    levels = (0.25, 0.5, 0.9)
    sample = torch.from_numpy(RANDOM.exponential(size=(2001, 1)).astype(np.float32))
    answer = torch.nn.Parameter(torch.zeros(1, 3))
    optimizer = torch.optim.Adam([answer], lr=0.02)
    loss_of = build_loss(Quantile(name="quantile", levels=levels))
    for _ in range(600):
        optimizer.zero_grad()
        loss_of(answer.expand(2001, 3), sample).backward()
        optimizer.step()
    expected = np.quantile(sample.numpy(), levels)
    np.testing.assert_allclose(answer.detach().numpy()[0], expected, atol=0.06)


def test_a_custom_loss_is_loaded_by_its_path(tmp_path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "own_losses.py").write_text(
        "from torch import nn\n"
        "class Twice(nn.Module):\n"
        "    def __init__(self, factor):\n"
        "        super().__init__()\n"
        "        self.factor = factor\n"
        "    def forward(self, outputs, targets):\n"
        "        return self.factor * nn.functional.cross_entropy(outputs, targets)\n"
    )
    monkeypatch.chdir(tmp_path)
    config = Custom(name="custom", target="own_losses:Twice", arguments={"factor": 2.0})
    plain = value(CrossEntropy(name="cross_entropy"), LOGITS, LABELS)
    assert value(config, LOGITS, LABELS) == pytest.approx(2 * plain)


@pytest.mark.parametrize(
    ("target", "arguments", "sentence"),
    [
        ("no_such_package.losses:Loss", {}, "cannot be imported"),
        ("torch.nn:CrossEntropyLos", {}, "torch.nn has no CrossEntropyLos"),
        ("torch.nn:HuberLoss", {"gamma": 2}, r"loss\.arguments do not fit torch\.nn:HuberLoss"),
        ("fractions:Fraction", {}, r"no torch\.nn\.Module"),
    ],
)
def test_a_custom_loss_that_cannot_be_built_is_one_sentence(target: str, arguments: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        build_loss(Custom(name="custom", target=target, arguments=arguments))


def test_only_losses_of_classes_weigh_classes():
    with pytest.raises(UsageError, match="loss=mse cannot weigh classes"):
        build_loss(MSE(name="mse"), torch.ones(2))


@pytest.mark.parametrize(
    ("loss", "problem", "classes", "mixes", "sentence"),
    [
        (MSE(name="mse"), "classification", 3, False, "loss=mse is for regression or forecasting, but data=d is class"),
        (CrossEntropy(name="cross_entropy"), "forecasting", 0, False, "is forecasting: say loss=mse or loss=mae"),
        # of feature: generation
        (CrossEntropy(name="cross_entropy"), "generation", 0, False, "is generation: say loss=none"),
        # end
        (Binary(name="binary"), "classification", 10, False, "for two classes, but data=d has 10"),
        (Hinge(name="hinge"), "classification", 3, True, "the augmentation mixes classes"),
    ],
)
def test_a_loss_that_does_not_fit_is_one_sentence(loss, problem: str, classes: int, mixes: bool, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        check_loss(loss, problem, "d", classes, mixes)


def test_the_config_asks_whether_the_loss_fits(config: Config):
    with pytest.raises(ValueError, match="say loss=cross_entropy"):
        changed(config, loss={"name": "mse"})
    raw = config.model_dump(mode="json") | {"loss": {"name": "quantile", "levels": [0.9, 0.1]}}
    with pytest.raises(UsageError, match=r"loss\.levels must rise and hold 0\.5"):
        validate_config(raw)
