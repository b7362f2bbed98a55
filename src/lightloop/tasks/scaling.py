"""From logits to probabilities as part of the graph: softmax, softmax at a temperature, or isotonic curves.

Shapes: B batch, K classes, P points of a curve.
"""

import torch
from torch import Tensor, nn

from lightloop.calibration.rules import Scaling

# Far below any logit; infinity would not survive every graph.
NOTHING = -1e30


class Temperature(nn.Module):
    """Softmax of the logits over a temperature; with 1 it is softmax itself."""

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, logits_BK: Tensor) -> Tensor:
        return (logits_BK if self.temperature == 1 else logits_BK / self.temperature).softmax(1)


class Isotonic(nn.Module):
    """For each class a curve from its log-odds to its probability, and the sum of all made 1.

    Args:
        curves: for each class points (log-odds, probability) that rise; see `calibration.rules.Scaling`.
    """

    x_KP: Tensor
    y_KP: Tensor
    others_KK: Tensor

    def __init__(self, curves: tuple[tuple[tuple[float, float], ...], ...]) -> None:
        super().__init__()
        most = max(2, *(len(curve) for curve in curves))
        # Shorter curves go on level.
        filled = [
            [*curve, *((curve[-1][0] + 1 + n, curve[-1][1]) for n in range(most - len(curve)))] for curve in curves
        ]
        x_KP, y_KP = torch.tensor(filled, dtype=torch.float32).unbind(2)
        self.register_buffer("x_KP", x_KP.contiguous(), persistent=False)
        self.register_buffer("y_KP", y_KP.contiguous(), persistent=False)
        self.register_buffer("others_KK", torch.eye(len(curves)) * NOTHING, persistent=False)

    def forward(self, logits_BK: Tensor) -> Tensor:
        rest_BK = (logits_BK[:, None, :] + self.others_KK).logsumexp(2)
        odds_BK1 = (logits_BK - rest_BK)[:, :, None]
        last = self.x_KP.shape[1] - 1
        after_BK1 = (odds_BK1 >= self.x_KP).sum(2, keepdim=True).clamp(1, last)
        x_BKP = self.x_KP.expand(len(logits_BK), -1, -1)
        y_BKP = self.y_KP.expand(len(logits_BK), -1, -1)
        x0_BK1, x1_BK1 = x_BKP.gather(2, after_BK1 - 1), x_BKP.gather(2, after_BK1)
        y0_BK1, y1_BK1 = y_BKP.gather(2, after_BK1 - 1), y_BKP.gather(2, after_BK1)
        way_BK1 = ((odds_BK1 - x0_BK1) / (x1_BK1 - x0_BK1)).clamp(0, 1)
        p_BK = (y0_BK1 + way_BK1 * (y1_BK1 - y0_BK1))[:, :, 0]
        return p_BK / p_BK.sum(1, keepdim=True)


def build_scaling(scaling: Scaling) -> nn.Module:
    """The module of a scaling: logits (B, K) to probabilities (B, K).

    Examples:
        >>> build_scaling(Scaling())(torch.zeros(1, 4)).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    if scaling.name == "isotonic":
        return Isotonic(scaling.curves)
    return Temperature(scaling.temperature)
