"""Optimizers and schedules by name: the table from a config to a kept class of torch."""

import math
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LinearLR, LRScheduler, ReduceLROnPlateau

from lightloop.config.training import (
    LBFGS,
    SGD,
    AnyOptimizer,
    AnyScheduler,
    Constant,
    Cosine,
    OneCycle,
    Plateau,
    StepDecay,
    TorchOptim,
)
from lightloop.errors import UsageError
from lightloop.networks._transfer import layer_groups

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "lbfgs": torch.optim.LBFGS,
}


def build_optimizer(network: nn.Module, config: AnyOptimizer, layer_decay: float = 1.0) -> torch.optim.Optimizer:
    """The optimizer over a network's parameters; biases and norms (vectors) are not decayed.

    Args:
        network: frozen parameters are taken too, so that they can be freed later.
        config: of the optimizer.
        layer_decay: factor on the rate from each layer to the one below it. Groups begin with the uppermost layer.

    Raises:
        UsageError: torch.optim has no such class, or its arguments do not fit.

    Examples:
        >>> from lightloop.config.training import AdamW
        >>> optimizer = build_optimizer(nn.Linear(2, 1), AdamW(name="adamw", lr=0.1))
        >>> [group["weight_decay"] for group in optimizer.param_groups]
        [0.01, 0.0]
    """
    build, options = _class_and_options(config)
    if isinstance(config, LBFGS):
        return build(list(network.parameters()), **options)
    groups: list[dict[str, Any]] = []
    named = dict(network.named_parameters())
    layers = layer_groups(network) if layer_decay < 1 else [list(named)]
    for depth, names in enumerate(reversed(layers)):
        parameters = [named[name] for name in names]
        rate = {"lr": config.lr * layer_decay**depth}
        groups += [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay, **rate},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, **rate},
        ]
    try:
        return build([group for group in groups if group["params"]], **options)
    except (TypeError, ValueError, RuntimeError) as error:
        if not isinstance(config, TorchOptim):
            raise
        raise UsageError(f"optimizer.arguments do not fit torch.optim.{config.optimizer} ({error})") from None


def _class_and_options(config: AnyOptimizer) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    options: dict[str, Any] = config.model_dump(exclude={"name", "weight_decay", "optimizer", "arguments"})
    if isinstance(config, SGD):
        options["nesterov"] = config.nesterov and config.momentum > 0
    if not isinstance(config, TorchOptim):
        return OPTIMIZERS[config.name], options
    known = {
        name: found
        for name, found in vars(torch.optim).items()
        if isinstance(found, type) and issubclass(found, torch.optim.Optimizer) and found is not torch.optim.Optimizer
    }
    if config.optimizer not in known:
        near = get_close_matches(config.optimizer, known, n=1)
        hint = f": did you mean {near[0]!r}?" if near else "."
        raise UsageError(f"torch.optim has no {config.optimizer!r}{hint} It has {', '.join(sorted(known))}")
    return known[config.optimizer], options | config.arguments


def build_schedule(optimizer: torch.optim.Optimizer, config: AnyScheduler, steps: int) -> LRScheduler:
    """The schedule over `steps` optimizer steps: a factor on the optimizer's rate, a function of the step alone.

    Of a plateau schedule this is the warm-up, which leaves the rate alone afterwards.
    """
    if isinstance(config, Plateau):
        warmup = max(1, round(config.warmup * steps))
        return LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1 or 1)
    return LambdaLR(optimizer, lambda step: rate_factor(config, min(step / max(1, steps), 1.0)))


def build_plateau(optimizer: torch.optim.Optimizer, config: AnyScheduler) -> ReduceLROnPlateau | None:
    """What lowers the rate when the validation loss stays, once an epoch; None where the config does not ask for it."""
    if not isinstance(config, Plateau):
        return None
    return ReduceLROnPlateau(optimizer, factor=config.factor, patience=config.patience, min_lr=config.min_lr)


def rate_factor(config: AnyScheduler, progress: float) -> float:
    """The factor on the optimizer's rate at `progress` (0 to 1) of the training.

    Examples:
        >>> rate_factor(Cosine(name="cosine", final=0.0), 0.5)
        0.5
    """
    assert not isinstance(config, Plateau)
    if progress < config.warmup and not isinstance(config, OneCycle):
        return progress / config.warmup
    after = (progress - config.warmup) / (1 - config.warmup)
    match config:
        case Constant():
            return 1.0
        case StepDecay():
            return config.factor ** min(int(after * (config.drops + 1)), config.drops)
        case Cosine():
            return config.final + (1 - config.final) * _half_cosine(after)
        case OneCycle():
            # From 1/25 up and down to 1/10,000, as in arXiv:1708.07120 and torch's OneCycleLR.
            if progress < config.warmup:
                return 1 - (1 - 1 / 25) * _half_cosine(progress / config.warmup)
            return max(_half_cosine(after), 1e-4)


def _half_cosine(share: float) -> float:
    """From 1 at share 0 to 0 at share 1."""
    return (1 + math.cos(math.pi * share)) / 2


def penalty(parameters: list[nn.Parameter], l1: float, l2: float) -> Tensor:
    """`l1` times the sum of absolute weights and `l2` times the sum of squared ones; biases and norms are left out.

    Examples:
        >>> penalty([nn.Parameter(torch.tensor([[1.0, -2.0]]))], l1=0.5, l2=0.1).item()
        2.0
    """
    weights = [p for p in parameters if p.ndim > 1 and p.requires_grad]
    total = torch.zeros((), device=weights[0].device) if weights else torch.zeros(())
    for weight in weights:
        if l1:
            total = total + l1 * weight.abs().sum()
        if l2:
            total = total + l2 * weight.square().sum()
    return total
