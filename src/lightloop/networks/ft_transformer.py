"""A transformer over the columns of a table.

Shapes: B batch, F numeric columns, C columns of codes, P columns, D width, O outputs.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lightloop.networks._attention import Block
from lightloop.networks._embeddings import ColumnEmbedding
from lightloop.networks._inputs import TableInputs
from lightloop.networks._layers import ACTIVATIONS
from lightloop.networks._network import Network


class FTTransformer(Network):
    """Each column becomes a vector; blocks of self-attention mix them with one more vector, which gives the answer.

    Args:
        inputs: the columns; numbers should be standardised.
        outputs: O.
        width: D, a multiple of `heads`.
        blocks: how many.
        heads: of each attention.
        hidden: features between the two linear layers of a block, as a factor of D.
        activation: of the gates of a block's linear layers, and of the head.
        dropout: probability, see `_attention.Block`.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: 2 F D of the numbers, D a code, D of the answer's vector; of each block 4 D (D + 1) + 4 D +
    2 h (D + 1) + D (h + 1) with h = int(D `hidden`); 2 D + O (D + 1) of the head.

    Source: arXiv:2106.11959, section 3.3: gated blocks with norms first. Unlike there the first norm stays, and codes
    have no bias of their column, which would add to each of its vectors the same.

    Examples:
        >>> network = FTTransformer(TableInputs(numbers=2, cardinalities=(3,)), 1, width=8, blocks=1, heads=2, hidden=1)
        >>> network(torch.zeros(4, 2), torch.ones(4, 1, dtype=torch.int64)).shape
        torch.Size([4, 1])
        >>> sum(parameter.numel() for parameter in network.parameters())  # 32 + 24 + 8 + (288 + 32 + 144 + 72) + 25
        625
    """

    modalities: ClassVar = ("tabular",)
    has_feature_maps: ClassVar = False

    def __init__(
        self,
        inputs: TableInputs,
        outputs: int,
        *,
        width: int = 64,
        blocks: int = 3,
        heads: int = 8,
        hidden: float = 1.34,
        activation: Literal[
            "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus"
        ] = "relu",
        dropout: float = 0.1,
        initialisation: Literal[
            "default", "kaiming", "kaiming_uniform", "xavier", "xavier_normal", "orthogonal", "truncated_normal"
        ] = "default",
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.columns = ColumnEmbedding(inputs.numbers, inputs.cardinalities, width)
        self.answer_D = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))
        self.blocks = nn.ModuleList(
            Block(width, heads, int(width * hidden), ACTIVATIONS[activation](), dropout, gated=True)
            for _ in range(blocks)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), ACTIVATIONS[activation](), nn.Linear(width, outputs))
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    def embed(self, numbers_BF: Tensor, codes_BC: Tensor) -> Tensor:
        """A row a column (B, P, D), float32, numbers first."""
        columns_BPD: Tensor = self.columns(numbers_BF, codes_BC)
        return columns_BPD

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Outputs (B, O) of what `embed` gave; `mask` is not needed."""
        x_BPD = torch.cat([self.answer_D.expand(len(embedded), 1, -1), embedded], 1)
        for block in self.blocks:
            x_BPD = block(x_BPD)
        outputs_BO: Tensor = self.head(x_BPD[:, 0])
        return outputs_BO

    def forward(self, numbers_BF: Tensor, codes_BC: Tensor) -> Tensor:
        """Outputs (B, O), float32, of numbers (B, F), float32, and codes (B, C), int64."""
        return self.forward_embedded(self.embed(numbers_BF, codes_BC))
