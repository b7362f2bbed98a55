"""Optimizers and schedules against torch's own."""

import itertools
import math

import pytest
import torch
from torch import nn

from lightloop.config.training import SGD, Adam, AdamW, Constant, Cosine, OneCycle, RMSprop, StepDecay
from lightloop.tasks.optimize import build_optimizer, build_schedule, rate_factor

OPTIMIZERS = [
    SGD(name="sgd", lr=0.1),
    SGD(name="sgd", lr=0.1, momentum=0.0),
    Adam(name="adam", lr=0.05),
    AdamW(name="adamw", lr=0.05),
    RMSprop(name="rmsprop", lr=0.05),
]


@pytest.mark.parametrize("config", OPTIMIZERS, ids=str)
def test_every_optimizer_fits_a_line(config):
    torch.manual_seed(0)
    network = nn.Linear(1, 1)
    optimizer = build_optimizer(network, config)
    x = torch.linspace(-1, 1, 64)[:, None]
    for _ in range(200):
        loss = nn.functional.mse_loss(network(x), 3 * x + 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02


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
    "config", [Constant(name="constant"), Cosine(name="cosine"), OneCycle(name="one_cycle"), StepDecay(name="step")]
)
def test_factors_stay_between_0_and_1(config):
    for progress in torch.linspace(0, 1, 101).tolist():
        factor = rate_factor(config, progress)
        assert math.isfinite(factor)
        assert 0 <= factor <= 1
