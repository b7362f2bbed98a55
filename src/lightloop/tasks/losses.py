"""Losses by name: the table from a config to a kept class of torch; own code only where torch has none.

Shapes: B batch, K classes, H numbers of one answer, Q quantiles.
"""

import importlib
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from lightloop.config.losses import (
    MAE,
    MSE,
    AnyLoss,
    Binary,
    CrossEntropy,
    Custom,
    Focal,
    Hinge,
    Huber,
    NoLoss,
    Quantile,
)
from lightloop.errors import UsageError


class BinaryLoss(nn.Module):
    """Binary cross-entropy of two classes on the difference of their logits.

    Args:
        class_weights: (2,); a record counts as much as its class. The mean is over weights, as in cross-entropy.
    """

    weight: Tensor | None

    def __init__(self, class_weights: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", class_weights)

    def forward(self, logits_B2: Tensor, targets: Tensor) -> Tensor:
        """The loss of logits (B, 2) for classes (B,) int64 or shares of classes (B, 2)."""
        shares_B2 = _shares(targets, 2, logits_B2.dtype)
        difference_B = logits_B2[:, 1] - logits_B2[:, 0]
        return _weighted(
            nn.functional.binary_cross_entropy_with_logits(difference_B, shares_B2[:, 1], reduction="none"),
            shares_B2,
            self.weight,
        )


class FocalLoss(nn.Module):
    """Cross-entropy times (1 - p) ** gamma of each class, p being its softmax probability (arXiv:1708.02002).

    torchvision's `sigmoid_focal_loss` is for answers that do not exclude each other; for two classes both agree.

    Args:
        gamma: 0 is cross-entropy.
        class_weights: (K,); a record counts as much as its class.

    Examples:
        >>> FocalLoss(0.0)(torch.zeros(1, 2), torch.tensor([1])).item() == nn.CrossEntropyLoss()(
        ...     torch.zeros(1, 2), torch.tensor([1])
        ... ).item()
        True
    """

    weight: Tensor | None

    def __init__(self, gamma: float, class_weights: Tensor | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weight", class_weights)

    def forward(self, logits_BK: Tensor, targets: Tensor) -> Tensor:
        """The loss of logits (B, K) for classes (B,) int64 or shares of classes (B, K)."""
        shares_BK = _shares(targets, logits_BK.shape[1], logits_BK.dtype)
        log_p_BK = logits_BK.log_softmax(1)
        # 1 - p may round to a little below 0, whose power would be no number; at 0 its slope would be infinite.
        rest_BK = (1 - log_p_BK.exp()).clamp_min(torch.finfo(log_p_BK.dtype).tiny)
        return _weighted(-(shares_BK * rest_BK.pow(self.gamma) * log_p_BK).sum(1), shares_BK, self.weight)


class QuantileLoss(nn.Module):
    """Pinball loss, the mean over numbers and levels (Koenker and Bassett 1978).

    Args:
        levels: Q, in (0, 1).
    """

    levels_Q: Tensor

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("levels_Q", torch.tensor(levels), persistent=False)

    def forward(self, outputs_BO: Tensor, targets_BH: Tensor) -> Tensor:
        """The loss of outputs (B, H * Q), the levels of one number side by side, for numbers (B, H)."""
        outputs_BHQ = outputs_BO.view(*targets_BH.shape, -1)
        error_BHQ = targets_BH[..., None] - outputs_BHQ
        return torch.maximum(self.levels_Q * error_BHQ, (self.levels_Q - 1) * error_BHQ).mean()


# Those that can weigh classes.
WEIGHING = (CrossEntropy, Binary, Focal, Hinge)


def build_loss(config: AnyLoss, class_weights: Tensor | None = None) -> nn.Module:  # noqa: PLR0911 # the table
    """The loss that a config names: called with outputs and targets, it answers a scalar.

    Args:
        config: of the loss.
        class_weights: (K,) float32, how much a record of each class counts; None is alike.

    Raises:
        UsageError: the loss cannot weigh classes, or a custom one cannot be loaded.

    Examples:
        >>> build_loss(Huber(name="huber", delta=1.0))(torch.tensor([[3.0]]), torch.tensor([[1.0]])).item()
        1.5
    """
    if class_weights is not None and not isinstance(config, WEIGHING):
        raise UsageError(
            f"loss={config.name} cannot weigh classes: say balance=none, or take loss=cross_entropy, which can"
        )
    match config:
        case CrossEntropy():
            return nn.CrossEntropyLoss(class_weights, label_smoothing=config.label_smoothing)
        case Binary():
            return BinaryLoss(class_weights)
        case Focal():
            return FocalLoss(config.gamma, class_weights)
        case Hinge():
            return nn.MultiMarginLoss(config.power, config.margin, class_weights)
        case MSE():
            return nn.MSELoss()
        case MAE():
            return nn.L1Loss()
        case Huber():
            return nn.HuberLoss(delta=config.delta)
        case Quantile():
            return QuantileLoss(config.levels)
        case Custom():
            return _custom(config)
        case NoLoss():
            return nn.Identity()


def outputs_of(config: AnyLoss) -> int:
    """How many outputs a network needs for one number.

    Examples:
        >>> outputs_of(Quantile(name="quantile", levels=(0.1, 0.5, 0.9)))
        3
    """
    return len(config.levels) if isinstance(config, Quantile) else 1


def _shares(targets: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Targets as shares of classes (B, K)."""
    return targets if targets.is_floating_point() else nn.functional.one_hot(targets, classes).to(dtype)


def _weighted(losses_B: Tensor, shares_BK: Tensor, weight_K: Tensor | None) -> Tensor:
    """The mean of losses; with weights of classes, each counts as much as its classes."""
    if weight_K is None:
        return losses_B.mean()
    weights_B = shares_BK @ weight_K
    return (weights_B * losses_B).sum() / weights_B.sum()


def _custom(config: Custom) -> nn.Module:
    """The loss that `config.target` names. Modules are looked for where Python looks, and in the current folder."""
    module, _, name = config.target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        loss = getattr(importlib.import_module(module), name)(**config.arguments)
    except ImportError as error:
        raise UsageError(f"loss.target is {config.target!r}, but {module} cannot be imported ({error})") from None
    except AttributeError:
        raise UsageError(f"loss.target is {config.target!r}, but {module} has no {name}") from None
    except TypeError as error:
        raise UsageError(f"loss.arguments do not fit {config.target} ({error})") from None
    if not isinstance(loss, nn.Module):
        raise UsageError(f"loss.target is {config.target!r}, which is no torch.nn.Module: derive it from one")
    return loss
