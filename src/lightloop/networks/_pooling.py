"""One vector of many steps, where some steps are padding.

Shapes: B batch, T steps, D width.
"""

import torch
from torch import Tensor, nn


def at_least_first(mask_BT: Tensor) -> Tensor:
    """The mask with its first position present: what is all padding still needs something to be a mean of."""
    return mask_BT | (torch.arange(mask_BT.shape[1], device=mask_BT.device) == 0)


def last_present(mask_BT: Tensor) -> Tensor:
    """The place (B,), int64, of the last present step; 0 where there is none."""
    return (mask_BT * torch.arange(mask_BT.shape[1], device=mask_BT.device)).amax(1)


class Pool(nn.Module):
    """Steps (B, T, D) to one vector (B, D) by their mean, the last one, or a mean weighted by attention.

    Args:
        width: D.
        how: "mean", "last" or "attention".
        bidirectional: the second half of D was computed from the end to the start: its last step is the first.

    Attention scores each step by a small network (arXiv:1703.03130, one row of attention): D^2 / 2 + 3D / 2 + 1 more
    parameters.

    Examples:
        >>> steps, mask = torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])
        >>> Pool(1, "mean")(steps, mask).item(), Pool(1, "last")(steps, mask).item()
        (2.0, 3.0)
    """

    def __init__(self, width: int, how: str, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.how = how
        self.bidirectional = bidirectional
        if how == "attention":
            inner = max(1, width // 2)
            self.score = nn.Sequential(nn.Linear(width, inner), nn.Tanh(), nn.Linear(inner, 1))

    def forward(self, x_BTD: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        if self.how == "mean":
            return _mean(x_BTD, mask_BT)
        if self.how == "last":
            return self._last(x_BTD, mask_BT)
        scores_BT1: Tensor = self.score(x_BTD)
        if mask_BT is not None:
            scores_BT1 = scores_BT1.masked_fill(~mask_BT[:, :, None], -torch.inf)
        return (scores_BT1.softmax(1) * x_BTD).sum(1)

    def _last(self, x_BTD: Tensor, mask_BT: Tensor | None) -> Tensor:
        if mask_BT is None:
            last_BD = x_BTD[:, -1]
        else:
            place_B1D = last_present(mask_BT)[:, None, None].expand(-1, 1, x_BTD.shape[2])
            last_BD = x_BTD.gather(1, place_B1D)[:, 0]
        if not self.bidirectional:
            return last_BD
        half = x_BTD.shape[2] // 2
        return torch.cat([last_BD[:, :half], x_BTD[:, 0, half:]], 1)


def _mean(x_BTD: Tensor, mask_BT: Tensor | None) -> Tensor:
    if mask_BT is None:
        return x_BTD.mean(1)
    weight_BT1 = mask_BT[:, :, None].to(x_BTD.dtype)
    return (x_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)
