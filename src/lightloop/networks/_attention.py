"""Blocks of self-attention.

They are written on `scaled_dot_product_attention` and not on `nn.TransformerEncoderLayer`, whose fast path in
evaluation mode was measured 2.4 times slower on a processor, and fails on a record that is all padding.

Shapes: B batch, T steps, D width, H heads, E width of a head.
"""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class SelfAttention(nn.Module):
    """Multi-head self-attention (B, T, D) to (B, T, D): 4 * D * (D + 1) parameters.

    Source: arXiv:1706.03762, section 3.2.

    Raises:
        ValueError: D is no multiple of the heads.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} is not a multiple of heads={heads}: give a width that is")
        self.heads = heads
        self.dropout = dropout
        self.questions_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor | None) -> Tensor:
        three_BTHE = self.questions_keys_values(x_BTD).unflatten(2, (3, self.heads, -1)).unbind(2)
        q_BHTE, k_BHTE, v_BHTE = (part_BTHE.transpose(1, 2) for part_BTHE in three_BTHE)
        seen_B11T = None if mask_BT is None else mask_BT[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        out_BHTE = scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE, seen_B11T, dropout)
        out_BTD: Tensor = self.output(out_BHTE.transpose(1, 2).flatten(2))
        return out_BTD


class Gate(nn.Module):
    """The first half of the features times the activated second half. Source: arXiv:2002.05202."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x_BTD: Tensor) -> Tensor:
        value, gate = x_BTD.chunk(2, -1)
        gated: Tensor = value * self.activation(gate)
        return gated


class Block(nn.Module):
    """Self-attention and two linear layers on each step, each beside a shortcut, with norms first.

    Args:
        width: D.
        heads: H.
        hidden: features between the two linear layers.
        activation: between them; `gated` multiplies it with as many features more.
        dropout: probability, on attention, between the linear layers and on what is added to the shortcut.

    Parameters: 4 D (D + 1) + 4 D + (D + 1) h + (h + 1) D with h = `hidden`; gated, the third term is doubled.

    Source: arXiv:2002.04745 (norms first).
    """

    def __init__(
        self, width: int, heads: int, hidden: int, activation: nn.Module, dropout: float, *, gated: bool = False
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, dropout)
        self.attention_dropout = nn.Dropout(dropout)
        self.steps = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * hidden if gated else hidden),
            Gate(activation) if gated else activation,
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x_BTD: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        x_BTD = x_BTD + self.attention_dropout(self.attention(self.attention_norm(x_BTD), mask_BT))
        out_BTD: Tensor = x_BTD + self.steps(x_BTD)
        return out_BTD
