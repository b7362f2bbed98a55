"""Augmentation of whole batches of series, on the batch's device.

Shapes: B batch, T steps, C channels, H numbers of a target.
"""

import math

import torch
from torch import Tensor

from lightloop.config.series import SeriesAugment


def augment_series(
    series_BTC: Tensor, targets: Tensor, settings: SeriesAugment, generator: torch.Generator, *, forecasts: bool
) -> tuple[Tensor, Tensor]:
    """Add noise, stretch values, warp time; each series on its own draw.

    Args:
        series_BTC: values in the first channel, NaN in gaps, which stay gaps; the other channels are left alone.
        targets: (B, H) float32 of a forecast, which are stretched with their series; others are left alone.
        settings: which changes, how strong.
        generator: of every random number, on the device of the batch.
        forecasts: whether targets continue the series.

    Source: jitter, scaling and time warping after Um et al. 2017, arXiv:1706.00527.

    Examples:
        >>> series, targets = torch.ones(2, 4, 1), torch.ones(2, 1)
        >>> settings = SeriesAugment(name="series", scaling=0.1)
        >>> torch.equal(augment_series(series, targets, settings, torch.Generator(), forecasts=True)[0], series)
        True
    """
    values_BT = series_BTC[:, :, 0]
    draws = {"generator": generator, "device": series_BTC.device}
    known_BT = ~torch.isnan(values_BT)
    count_B1 = known_BT.sum(1, keepdim=True).clamp_min(1)
    mean_B1 = torch.where(known_BT, values_BT, 0.0).sum(1, keepdim=True) / count_B1
    spread_B1 = (torch.where(known_BT, values_BT - mean_B1, 0.0).square().sum(1, keepdim=True) / count_B1).sqrt()
    if settings.warp:
        values_BT = _warp(values_BT, settings.warp * (2 * torch.rand(len(values_BT), 1, **draws) - 1))  # type: ignore[call-overload]
    if settings.scaling:
        factor_B1 = 1 + settings.scaling * torch.randn(len(values_BT), 1, **draws)  # type: ignore[call-overload]
        values_BT = mean_B1 + factor_B1 * (values_BT - mean_B1)
        targets = mean_B1 + factor_B1 * (targets - mean_B1) if forecasts else targets
    if settings.jitter:
        values_BT = values_BT + settings.jitter * spread_B1 * torch.randn(values_BT.shape, **draws)  # type: ignore[call-overload]
    return torch.cat([values_BT[:, :, None], series_BTC[:, :, 1:]], 2), targets


def _warp(values_BT: Tensor, strength_B1: Tensor) -> Tensor:
    """Read each series at times that run faster, then slower; both ends stay, and so does the speed there."""
    last = values_BT.shape[1] - 1
    if last < 1:
        return values_BT
    time_T = torch.arange(last + 1, device=values_BT.device, dtype=values_BT.dtype)
    # The derivative is 1 + strength * sin(2 pi t / T), never negative.
    moved_BT = time_T + strength_B1 * last / math.pi * (math.pi * time_T / last).sin().square()
    moved_BT = moved_BT.clamp(0, last)
    low_BT = moved_BT.floor().clamp(max=last - 1)
    share_BT = moved_BT - low_BT
    low, high = (values_BT.gather(1, place.long()) for place in (low_BT, low_BT + 1))
    # A whole place is read as it is, though its neighbour be a gap.
    between_BT = low + (high - low) * share_BT
    return torch.where(share_BT == 0, low, torch.where(share_BT == 1, high, between_BT))
