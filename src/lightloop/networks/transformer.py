"""A transformer encoder over the steps of a text or series.

Shapes: B batch, T steps, D width, C channels, O outputs.
"""

from math import log
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lightloop.networks._attention import Block
from lightloop.networks._inputs import PADDING, SeriesInputs, TextInputs
from lightloop.networks._layers import ACTIVATIONS
from lightloop.networks._network import Network
from lightloop.networks._pooling import Pool, at_least_first


class Transformer(Network):
    """Blocks of self-attention over vectors of the steps and of their places; pooled, and a linear layer.

    Args:
        inputs: of texts or series.
        outputs: O.
        width: D, a multiple of `heads` and even; of a token's vector, or of a linear layer over a series' channels.
        blocks: how many.
        heads: of each attention.
        hidden: features between the two linear layers of a block.
        positions: what is added to each step to tell its place: "sinusoidal" waves, "learned" vectors, or "none".
        pooling: over the steps, see `_pooling.Pool`.
        activation: of the blocks.
        dropout: probability, on the vectors of the steps, and see `_attention.Block`.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: D a token, or D (C + 1); D a place where learned; of each block 4 D (D + 1) + 4 D + h (D + 1) +
    D (h + 1) with h = `hidden`; 2 D of the last norm; O (D + 1) of the linear layer.

    Source: arXiv:1706.03762, with norms first (arXiv:2002.04745).

    Examples:
        >>> network = Transformer(TextInputs(vocabulary=10, length=32), 3, width=8, blocks=1, heads=2, hidden=16)
        >>> network(torch.tensor([[4, 7, 2], [5, 0, 0]])).shape
        torch.Size([2, 3])
        >>> sum(parameter.numel() for parameter in network.parameters())  # 80 + (288 + 32 + 144 + 136) + 16 + 27
        723
    """

    modalities: ClassVar = ("text", "series")
    has_feature_maps: ClassVar = False

    places_TD: Tensor | None

    def __init__(
        self,
        inputs: TextInputs | SeriesInputs,
        outputs: int,
        *,
        width: int = 64,
        blocks: int = 2,
        heads: int = 4,
        hidden: int = 128,
        positions: Literal["sinusoidal", "learned", "none"] = "sinusoidal",
        pooling: Literal["mean", "last", "attention"] = "mean",
        activation: Literal[
            "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus"
        ] = "gelu",
        dropout: float = 0.1,
        initialisation: Literal[
            "default", "kaiming", "kaiming_uniform", "xavier", "xavier_normal", "orthogonal", "truncated_normal"
        ] = "default",
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.reads_texts = isinstance(inputs, TextInputs)
        if isinstance(inputs, TextInputs):
            self.embedding: nn.Module = nn.Embedding(inputs.vocabulary, width, padding_idx=PADDING)
            self.enter: nn.Module = nn.Identity()
        else:
            self.embedding = nn.Identity()
            self.enter = nn.Linear(inputs.channels, width)
        if positions == "learned":
            self.places_TD = nn.Parameter(torch.randn(inputs.length, width) * 0.02)
        else:
            waves_TD = _waves(inputs.length, width) if positions == "sinusoidal" else None
            self.register_buffer("places_TD", waves_TD, persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden, ACTIVATIONS[activation](), dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.pool = Pool(width, pooling)
        self.head = nn.Linear(width, outputs)
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    def embed(self, features: Tensor) -> Tensor:
        """Vectors (B, T, D) of the tokens, float32, without their places; of series the steps themselves."""
        embedded_BTD: Tensor = self.embedding(features)
        return embedded_BTD

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Outputs (B, O) of what `embed` gave; `mask` (B, T), bool, is True where a token is, None everywhere."""
        if mask is not None:
            mask = at_least_first(mask)
        x_BTD = self.enter(embedded)
        if self.places_TD is not None:
            x_BTD = x_BTD + self.places_TD[: x_BTD.shape[1]]
        x_BTD = self.dropout(x_BTD)
        for block in self.blocks:
            x_BTD = block(x_BTD, mask)
        outputs_BO: Tensor = self.head(self.pool(self.norm(x_BTD), mask))
        return outputs_BO

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (B, O), float32, of token ids (B, T), int64, or series (B, T, C), float32."""
        return self.forward_embedded(self.embed(features), features != PADDING if self.reads_texts else None)


def _waves(length: int, width: int) -> Tensor:
    """Sines and cosines (T, D) of wavelengths from 2 pi to 20,000 pi steps. Source: arXiv:1706.03762, section 3.5."""
    if width % 2:
        raise ValueError(f"width={width} is odd, but each wave is a sine and a cosine: give an even one")
    rate_D = (torch.arange(0, width, 2) * (-log(10_000) / width)).exp()
    angle_TD = torch.arange(length)[:, None] * rate_D
    return torch.stack([angle_TD.sin(), angle_TD.cos()], 2).flatten(1)
