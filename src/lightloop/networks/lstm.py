"""A long short-term memory network over the steps of a text or series.

Shapes: B batch, T steps, C channels, O outputs.
"""

from typing import ClassVar, Literal

from torch import nn

from lightloop.networks._inputs import SeriesInputs, TextInputs
from lightloop.networks._recurrent import Recurrent


class LSTM(Recurrent):
    """A long short-term memory network: layers over the steps in one or both directions, pooled, and linear.

    `forward(ids_BT)` of texts or `forward(x_BTC)` of series gives (B, O). What is padding is not read.

    Args:
        inputs: of texts or series.
        outputs: O.
        hidden: numbers that a cell remembers, in each direction.
        layers: one over the other.
        bidirectional: whether each layer also reads from the end to the start.
        embedding: width of a token's vector; for texts only.
        pooling: over the steps: their mean, the last one of each direction, or a mean weighted by attention
            (arXiv:1703.03130).
        dropout: probability, on what each layer puts out.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: 4 h (d + h + 2) a layer and direction of d inputs and h = `hidden`; `embedding` a token; O (w + 1)
    of the last layer with w = h, or 2 h of both directions; those of attention in `_pooling.Pool`.

    Source: Hochreiter and Schmidhuber, 1997; bidirectional: Schuster and Paliwal, 1997.

    Examples:
        >>> import torch
        >>> network = LSTM(SeriesInputs(length=12, channels=2), 3, hidden=4, layers=1, pooling="last")
        >>> network(torch.zeros(5, 12, 2)).shape
        torch.Size([5, 3])
        >>> sum(parameter.numel() for parameter in network.parameters())
        283
    """

    modalities: ClassVar = ("text", "series")
    has_feature_maps: ClassVar = False

    def __init__(
        self,
        inputs: TextInputs | SeriesInputs,
        outputs: int,
        *,
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = True,
        embedding: int = 64,
        pooling: Literal["mean", "last", "attention"] = "attention",
        dropout: float = 0.2,
        initialisation: Literal[
            "default", "kaiming", "kaiming_uniform", "xavier", "xavier_normal", "orthogonal", "truncated_normal"
        ] = "default",
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            nn.LSTM,
            inputs,
            outputs,
            hidden=hidden,
            layers=layers,
            bidirectional=bidirectional,
            embedding=embedding,
            pooling=pooling,
            dropout=dropout,
        )
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)
