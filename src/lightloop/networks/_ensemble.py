"""Several trained networks as one module, so that they are exported, explained and served as any other network.

Shapes: B batch, M members, O outputs, K classes, S seeds, F folds.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

SMALLEST = 1e-12


class Ensemble(nn.Module):
    """Networks that take the same features, and one answer of them all.

    Outputs of a classifier are log probabilities, so that their softmax is the ensemble's probability. Outputs beyond
    the classes (further heads) are averaged.

    Args:
        members: M networks, fold after fold, in each fold seed after seed.
        rule: `mean`, `weighted`, `voting` or `stacking`.
        classes: K; 0 where outputs are numbers.
        seeds: S; `stacking` first averages the members of a seed.

    Source: Hansen & Salamon 1990 (voting), Wolpert 1992 (stacking), arXiv:1612.01474 (mean over seeds).

    Examples:
        >>> both = Ensemble([nn.Linear(2, 3), nn.Linear(2, 3)], rule="mean", classes=3)
        >>> round(both(torch.zeros(1, 2)).exp().sum().item(), 3)
        1.0
    """

    weights_M: Tensor

    def __init__(self, members: Sequence[nn.Module], *, rule: str, classes: int, seeds: int = 1) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.rule = rule
        self.classes = classes
        self.seeds = seeds
        self.register_buffer("weights_M", torch.full((len(members),), 1 / len(members)))
        self.stack = nn.Linear(seeds * classes, classes) if rule == "stacking" else None

    def forward(self, *features: Tensor) -> Tensor:
        """Outputs (B, O), float32."""
        return self.combine([member(*features) for member in self.members])

    def embed(self, *features: Tensor) -> Tensor:
        """The members' embeddings of the features, side by side in the last dimension."""
        return torch.cat([member.embed(*features) for member in self.members], dim=-1)  # type: ignore[operator]

    def forward_embedded(self, embedded: Tensor, mask: Any = None) -> Tensor:
        """Outputs (B, O) of what `embed` gave."""
        parts = embedded.chunk(len(self.members), dim=-1)
        return self.combine(
            [m.forward_embedded(part, mask) for m, part in zip(self.members, parts, strict=True)]  # type: ignore[operator]
        )

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        """The answer (B, O) of the members' answers (B, O)."""
        outputs_MBO = torch.stack(list(outputs)).float()
        if not self.classes:
            return self._mean(outputs_MBO)
        p_MBK = outputs_MBO[..., : self.classes].softmax(-1)
        match self.rule:
            case "voting":
                log_BK = self._votes(p_MBK)
            case "stacking":
                log_BK = self._stacked(p_MBK)
            case _:
                log_BK = self._mean(p_MBK).clamp_min(SMALLEST).log()
        return torch.cat([log_BK, outputs_MBO[..., self.classes :].mean(0)], dim=-1)

    def _mean(self, values_MBO: Tensor) -> Tensor:
        return (values_MBO * self.weights_M[:, None, None]).sum(0)

    def _votes(self, p_MBK: Tensor) -> Tensor:
        """Log share of the votes, as if the mean probability had one vote too: it decides between equals."""
        best_MB1 = p_MBK.argmax(-1, keepdim=True)
        votes_BK = (best_MB1 == torch.arange(self.classes, device=p_MBK.device)).float().sum(0)
        return ((votes_BK + p_MBK.mean(0)) / (len(self.members) + 1)).clamp_min(SMALLEST).log()

    def _stacked(self, p_MBK: Tensor) -> Tensor:
        assert self.stack is not None
        log_BK: Tensor = self.stack(stacking_features(p_MBK, self.seeds)).log_softmax(-1)
        return log_BK


def stacking_features(p_MBK: Tensor, seeds: int) -> Tensor:
    """What stacking learns from: for each seed the log of its members' mean probability, (B, S * K).

    Examples:
        >>> stacking_features(torch.full((4, 5, 3), 0.5), seeds=2).shape
        torch.Size([5, 6])
    """
    members, batch, classes = p_MBK.shape
    p_SBK = p_MBK.reshape(members // seeds, seeds, batch, classes).mean(0)
    return p_SBK.clamp_min(1e-6).log().permute(1, 0, 2).reshape(-1, seeds * classes)
