"""Filling gaps of windows in the graph: NaN in, numbers out. Operations that ONNX has, no loop over steps.

Shapes: B batch, T steps.
"""

import torch
from torch import Tensor


def fill(x_BT: Tensor, method: str) -> Tensor:
    """Values without NaN: a line between the neighbours of a gap (`linear`), or the last value (`forward`).

    Before the first value stands the first one, after the last the last one; a series of gaps alone becomes 0.

    Examples:
        >>> fill(torch.tensor([[torch.nan, 1.0, torch.nan, 3.0, torch.nan]]), "linear").tolist()
        [[1.0, 1.0, 2.0, 3.0, 3.0]]
        >>> fill(torch.tensor([[torch.nan, 1.0, torch.nan, 3.0, torch.nan]]), "forward").tolist()
        [[1.0, 1.0, 1.0, 3.0, 3.0]]
    """
    steps = x_BT.shape[1]
    missing_BT = torch.isnan(x_BT)
    known_BT = torch.where(missing_BT, 0.0, x_BT)
    place_T = torch.arange(steps, dtype=x_BT.dtype, device=x_BT.device)
    before_BT = _running_max(torch.where(missing_BT, -1.0, place_T))
    # The next known place is the running minimum from the end, which is the last one of the reversed series.
    reversed_BT = _running_max(torch.where(missing_BT.flip(1), -1.0, place_T))
    after_BT = (steps - 1) - reversed_BT.flip(1)
    none_before_BT, none_after_BT = before_BT < 0, after_BT > steps - 1
    left_BT = torch.where(none_before_BT, after_BT, before_BT).clamp(0, steps - 1)
    right_BT = torch.where(none_after_BT, left_BT, after_BT).clamp(0, steps - 1)
    low_BT = known_BT.gather(1, left_BT.long())
    if method == "forward":
        return low_BT
    high_BT = known_BT.gather(1, right_BT.long())
    share_BT = (place_T - left_BT) / (right_BT - left_BT).clamp_min(1)
    return low_BT + (high_BT - low_BT) * share_BT.clamp(0, 1)


def _running_max(x_BT: Tensor) -> Tensor:
    """The largest value up to each step; doubling the reach needs log2(T) maxima (Hillis & Steele 1986)."""
    steps, reach = x_BT.shape[1], 1
    while reach < steps:
        x_BT = torch.cat([x_BT[:, :reach], torch.maximum(x_BT[:, reach:], x_BT[:, :-reach])], 1)
        reach *= 2
    return x_BT
