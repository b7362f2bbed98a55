"""Columns of a table as vectors, one a column.

Shapes: B batch, F numeric columns, C columns of codes, D width, Q encoded numbers a column.
"""

from collections.abc import Callable
from math import pi

import torch
from torch import Tensor, nn


class CodeEmbedding(nn.Module):
    """Codes (B, C) to (B, C, D): a vector for each code of each column, D * sum(cardinalities) parameters.

    Examples:
        >>> CodeEmbedding((3, 2), 4)(torch.tensor([[2, 1]])).shape
        torch.Size([1, 2, 4])
    """

    first_C: Tensor

    def __init__(self, cardinalities: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(sum(cardinalities), width)
        # As in arXiv:2106.11959: of the size of a linear layer's weights.
        nn.init.uniform_(self.table.weight, -(width**-0.5), width**-0.5)
        first = torch.tensor([sum(cardinalities[:place]) for place in range(len(cardinalities))])
        self.register_buffer("first_C", first, persistent=False)

    def forward(self, codes_BC: Tensor) -> Tensor:
        vectors_BCD: Tensor = self.table(codes_BC + self.first_C)
        return vectors_BCD


class ColumnLinear(nn.Module):
    """A linear layer of its own for each column: (B, F, Q) to (B, F, D), F * D * (Q + 1) parameters."""

    def __init__(self, columns: int, inputs: int, width: int) -> None:
        super().__init__()
        self.weight_FQD = nn.Parameter(torch.empty(columns, inputs, width).uniform_(-(inputs**-0.5), inputs**-0.5))
        self.bias_FD = nn.Parameter(torch.empty(columns, width).uniform_(-(width**-0.5), width**-0.5))

    def forward(self, x_BFQ: Tensor) -> Tensor:
        return torch.einsum("bfq,fqd->bfd", x_BFQ, self.weight_FQD) + self.bias_FD


class Piecewise(nn.Module):
    """How far a number has come through each bin: (B, F) to (B, F, Q).

    1 for bins below it, 0 for bins above it, the share within its own; numbers beyond the outer bins go on linearly.
    The bins are the quantiles of the normal distribution, since a network is given standardised columns and has not
    seen the data; with preprocessing by quantiles to a normal distribution they are those of the data.

    Source: arXiv:2203.05556, section 3.2.1, with quantile bins.

    Examples:
        >>> Piecewise(2)(torch.tensor([[0.0]]))
        tensor([[[1., 0.]]])
    """

    low_Q: Tensor
    width_Q: Tensor
    floor_Q: Tensor
    ceiling_Q: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        # Outer bounds at the quantiles 0.001 and 0.999: those at 0 and 1 are infinite.
        edges = torch.special.ndtri(torch.linspace(0, 1, bins + 1, dtype=torch.float64).clamp(1e-3, 1 - 1e-3)).float()
        edges = torch.where(edges.abs() < 1e-6, torch.zeros(()), edges)
        floor, ceiling = torch.zeros(bins), torch.ones(bins)
        floor[0], ceiling[-1] = -torch.inf, torch.inf
        for name, value in (
            ("low_Q", edges[:-1]),
            ("width_Q", edges.diff()),
            ("floor_Q", floor),
            ("ceiling_Q", ceiling),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(self, x_BF: Tensor) -> Tensor:
        share_BFQ = (x_BF[:, :, None] - self.low_Q) / self.width_Q
        return share_BFQ.maximum(self.floor_Q).minimum(self.ceiling_Q)


class Periodic(nn.Module):
    """Cosines and sines of each number at trained frequencies: (B, F) to (B, F, 2 * frequencies).

    F * frequencies parameters, drawn from a normal distribution of deviation `scale`.

    Source: arXiv:2203.05556, section 3.3.
    """

    def __init__(self, columns: int, frequencies: int, scale: float) -> None:
        super().__init__()
        self.frequency_FQ = nn.Parameter(torch.randn(columns, frequencies) * scale)

    def forward(self, x_BF: Tensor) -> Tensor:
        angle_BFQ = 2 * pi * self.frequency_FQ * x_BF[:, :, None]
        return torch.cat([angle_BFQ.cos(), angle_BFQ.sin()], 2)


class ColumnEmbedding(nn.Module):
    """All columns of a table as vectors: numbers (B, F) and codes (B, C) to (B, F + C, D), numbers first.

    Args:
        numbers: how many numeric columns there are.
        cardinalities: of the columns of codes.
        width: D.
        encode: gives numbers (B, F) as (B, F, `encoded`); None takes them as they are.
        encoded: Q.
        activation: after the numbers' linear layer; None for none.

    Raises:
        ValueError: there is no column at all.
    """

    def __init__(
        self,
        numbers: int,
        cardinalities: tuple[int, ...],
        width: int,
        *,
        encode: nn.Module | None = None,
        encoded: int = 1,
        activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if not numbers and not cardinalities:
            raise ValueError("the table has no feature columns: give the network at least one")
        self.numbers = numbers
        if numbers:
            self.encode = encode
            self.linear = ColumnLinear(numbers, encoded, width)
            self.activation = activation() if activation else nn.Identity()
        self.codes = CodeEmbedding(cardinalities, width) if cardinalities else None

    def forward(self, numbers_BF: Tensor, codes_BC: Tensor) -> Tensor:
        parts: list[Tensor] = []
        if self.numbers:
            x_BFQ = self.encode(numbers_BF) if self.encode is not None else numbers_BF[:, :, None]
            parts.append(self.activation(self.linear(x_BFQ)))
        if self.codes is not None:
            parts.append(self.codes(codes_BC))
        return torch.cat(parts, 1)
