"""Optimizers and schedules by name: the table from a config to a kept class of torch."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from lightloop.config.training import SGD, Adam, AdamW, Constant, Cosine, OneCycle, RMSprop, StepDecay

OptimizerConfig = SGD | Adam | AdamW | RMSprop
SchedulerConfig = Constant | Cosine | OneCycle | StepDecay
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


def build_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """The optimizer over a network's parameters; biases and norms (vectors) are not decayed.

    Examples:
        >>> optimizer = build_optimizer(nn.Linear(2, 1), AdamW(name="adamw", lr=0.1))
        >>> [group["weight_decay"] for group in optimizer.param_groups]
        [0.01, 0.0]
    """
    options: dict[str, Any] = config.model_dump(exclude={"name", "weight_decay"})
    if isinstance(config, SGD):
        options["nesterov"] = config.nesterov and config.momentum > 0
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[config.name]([group for group in groups if group["params"]], **options)


def build_schedule(optimizer: torch.optim.Optimizer, config: SchedulerConfig, steps: int) -> LambdaLR:
    """The schedule over `steps` optimizer steps: a factor on the optimizer's rate, a function of the step alone."""
    return LambdaLR(optimizer, lambda step: rate_factor(config, min(step / max(1, steps), 1.0)))


def rate_factor(config: SchedulerConfig, progress: float) -> float:
    """The factor on the optimizer's rate at `progress` (0 to 1) of the training.

    Examples:
        >>> rate_factor(Cosine(name="cosine", final=0.0), 0.5)
        0.5
    """
    match config:
        case Constant():
            return 1.0
        case StepDecay():
            return config.factor ** min(int(progress * (config.drops + 1)), config.drops)
        case Cosine():
            if progress < config.warmup:
                return progress / config.warmup
            return config.final + (1 - config.final) * _half_cosine((progress - config.warmup) / (1 - config.warmup))
        case OneCycle():
            # From 1/25 up and down to 1/10,000, as in arXiv:1708.07120 and torch's OneCycleLR.
            if progress < config.warmup:
                return 1 - (1 - 1 / 25) * _half_cosine(progress / config.warmup)
            return max(_half_cosine((progress - config.warmup) / (1 - config.warmup)), 1e-4)


def _half_cosine(share: float) -> float:
    """From 1 at share 0 to 0 at share 1."""
    return (1 + math.cos(math.pi * share)) / 2
