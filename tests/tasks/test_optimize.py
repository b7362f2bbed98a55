"""Optimizers and schedules against torch's own."""

import itertools
import math

import numpy as np
import pytest
import torch
from small_training import changed
from torch import nn

from lightloop.config.schema import Config
from lightloop.config.training import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Constant,
    Cosine,
    OneCycle,
    Plateau,
    RMSprop,
    StepDecay,
    TorchOptim,
)
from lightloop.errors import UsageError
from lightloop.tasks.optimize import build_optimizer, build_plateau, build_schedule, penalty, rate_factor

OPTIMIZERS = [
    SGD(name="sgd", lr=0.1),
    SGD(name="sgd", lr=0.1, momentum=0.0),
    SGD(name="sgd", lr=0.1, nesterov=False),
    Adagrad(name="adagrad", lr=0.5),
    Adam(name="adam", lr=0.05),
    AdamW(name="adamw", lr=0.05),
    RMSprop(name="rmsprop", lr=0.05),
    LBFGS(name="lbfgs", max_iter=2),
    TorchOptim(name="torch_optim", optimizer="RAdam", lr=0.05, arguments={"betas": [0.9, 0.99]}),
]


@pytest.mark.parametrize("config", OPTIMIZERS, ids=str)
def test_every_optimizer_fits_a_line(config):
    torch.manual_seed(0)
    network = nn.Linear(1, 1)
    optimizer = build_optimizer(network, config)
    x = torch.linspace(-1, 1, 64)[:, None]

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(x), 3 * x + 1)
        loss.backward()
        return loss

    for _ in range(200):
        loss = optimizer.step(closure)
    assert loss.item() < 0.02


def test_nesterov_and_momentum_are_torch_s_switches():
    groups = [build_optimizer(nn.Linear(1, 1), config).param_groups[0] for config in OPTIMIZERS[:3]]
    assert [(group["momentum"], group["nesterov"]) for group in groups] == [(0.9, True), (0.0, False), (0.9, False)]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"optimizer": "NAdm"}, "torch.optim has no 'NAdm': did you mean 'NAdam'"),
        ({"optimizer": "Optimizer"}, "torch.optim has no 'Optimizer'"),
        ({"optimizer": "NAdam", "arguments": {"warmth": 1}}, r"optimizer\.arguments do not fit torch\.optim\.NAdam"),
    ],
)
def test_what_torch_optim_does_not_have_is_one_sentence(settings: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        build_optimizer(nn.Linear(1, 1), TorchOptim(name="torch_optim", lr=0.1, **settings))


def test_rates_fall_from_layer_to_layer():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    optimizer = build_optimizer(network, AdamW(name="adamw", lr=0.1), layer_decay=0.5)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(rates) == 6
    assert [rates[id(network[place].weight)] for place in (0, 2, 4)] == pytest.approx([0.025, 0.05, 0.1])
    assert [rates[id(network[place].bias)] for place in (0, 2, 4)] == pytest.approx([0.025, 0.05, 0.1])
    assert optimizer.param_groups[0]["lr"] == 0.1, "the rate that the history shows is the uppermost layer's"
    schedule = build_schedule(optimizer, StepDecay(name="step", drops=1, factor=0.1), 2)
    optimizer.step()
    schedule.step()
    assert rates_of(optimizer) == pytest.approx([0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025])


def rates_of(optimizer: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def test_penalties_are_their_formulas():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    network[2].weight.requires_grad_(False)
    found = penalty(list(network.parameters()), l1=0.3, l2=0.7)
    weight = network[0].weight
    expected = 0.3 * np.abs(weight.detach().numpy()).sum() + 0.7 * (weight.detach().numpy() ** 2).sum()
    assert found.item() == pytest.approx(expected, rel=1e-6)
    found.backward()
    torch.testing.assert_close(weight.grad, 0.3 * weight.detach().sign() + 2 * 0.7 * weight.detach())
    assert network[0].bias.grad is None
    assert network[1].weight.grad is None


def test_lbfgs_refuses_what_it_cannot_do(config: Config):
    for trainer, sentence in (
        ({"accumulate_grad_batches": 2}, r"accumulate_grad_batches must be 1"),
        ({"layer_decay": 0.5}, r"layer_decay must be 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            changed(config, optimizer={"name": "lbfgs"}, trainer=trainer)


def test_vectors_are_not_decayed():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    decayed, free = build_optimizer(network, AdamW(name="adamw", lr=0.1, weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], [p.ndim for p in decayed["params"]]) == (0.3, [4])
    assert (free["weight_decay"], [p.ndim for p in free["params"]]) == (0.0, [1, 1, 1])


def rates(config, steps: int) -> list[float]:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=2.0)
    schedule = build_schedule(optimizer, config, steps)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_cosine_is_torch_s():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=2.0)
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    expected = []
    for _ in range(50):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        peer.step()
    assert rates(Cosine(name="cosine"), 50) == pytest.approx(expected)


def test_one_cycle_rises_to_the_rate_and_falls_to_almost_nothing():
    seen = rates(OneCycle(name="one_cycle", warmup=0.3), 1000)
    assert seen[0] == pytest.approx(2.0 / 25)
    assert max(seen) == pytest.approx(2.0)
    assert seen.index(max(seen)) == 300
    assert seen[-1] < 2.0 * 1e-3
    assert all(a <= b for a, b in itertools.pairwise(seen[:301]))
    assert all(a >= b for a, b in itertools.pairwise(seen[300:]))


def test_warm_up_constant_and_steps():
    assert rate_factor(Cosine(name="cosine", warmup=0.1), 0.05) == pytest.approx(0.5)
    assert rate_factor(Cosine(name="cosine", warmup=0.1, final=0.2), 1.0) == pytest.approx(0.2)
    assert set(rates(Constant(name="constant"), 10)) == {2.0}
    assert rates(StepDecay(name="step", drops=1, factor=0.5), 4) == [2.0, 2.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "config",
    [Constant(name="constant", warmup=0.2), StepDecay(name="step", warmup=0.2), Cosine(name="cosine", warmup=0.2)],
    ids=lambda config: config.name,
)
def test_any_schedule_warms_up(config):
    seen = rates(config, 100)
    assert seen[:21] == pytest.approx([2.0 * step / 20 for step in range(21)])
    assert max(seen) == pytest.approx(2.0)


def test_a_plateau_warms_up_and_halves_when_the_loss_stays():
    config = Plateau(name="plateau", factor=0.5, patience=1, warmup=0.1)
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=2.0)
    schedule, plateau = build_schedule(optimizer, config, 100), build_plateau(optimizer, config)
    seen = []
    for step in range(100):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
        if step % 20 == 19:
            # The loss falls for three epochs, then stays.
            plateau.step(max(1.0, 5.0 - step / 20))
    assert seen[:11] == pytest.approx([*(0.2 * step for step in range(1, 11)), 2.0])
    assert seen[-1] == pytest.approx(2.0)
    for _ in range(2):
        plateau.step(1.5)
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1.0), "and the schedule of steps leaves it so"
    assert build_plateau(optimizer, Constant(name="constant")) is None


@pytest.mark.parametrize(
    "config", [Constant(name="constant"), Cosine(name="cosine"), OneCycle(name="one_cycle"), StepDecay(name="step")]
)
def test_factors_stay_between_0_and_1(config):
    for progress in torch.linspace(0, 1, 101).tolist():
        factor = rate_factor(config, progress)
        assert math.isfinite(factor)
        assert 0 <= factor <= 1
