"""A multilayer perceptron on flattened records.

Shapes: B batch, F features, P columns, D width of an embedding, T steps, C channels, O outputs.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lightloop.networks._embeddings import CodeEmbedding
from lightloop.networks._inputs import ImageInputs, SeriesInputs, TableInputs
from lightloop.networks._layers import ACTIVATIONS, VECTOR_NORMS
from lightloop.networks._network import Network


class MLP(Network):
    """Fully connected layers with normalisation and dropout; of a table's codes each becomes a vector first.

    Args:
        inputs: of the records, which are flattened.
        outputs: O.
        hidden: width of each hidden layer.
        embedding: D, width of the vector of a code; for tables only.
        activation: of each hidden layer.
        normalisation: of each hidden layer.
        dropout: probability, after each hidden layer.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: (a + 1) b a layer from a to b features, 2 b of its norm; D a code of a table.

    Source: the textbook network; batch normalisation from arXiv:1502.03167.

    Examples:
        >>> MLP(ImageInputs(1, 28, 28), 10, hidden=(32,))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
        >>> table = MLP(TableInputs(numbers=2, cardinalities=(3,)), 1, hidden=(16,))
        >>> table(torch.zeros(4, 2), torch.ones(4, 1, dtype=torch.int64)).shape
        torch.Size([4, 1])
    """

    modalities: ClassVar = ("image", "tabular", "series")
    has_feature_maps: ClassVar = False

    def __init__(
        self,
        inputs: ImageInputs | TableInputs | SeriesInputs,
        outputs: int,
        *,
        hidden: tuple[int, ...] = (256, 128),
        embedding: int = 8,
        activation: Literal[
            "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus"
        ] = "relu",
        normalisation: Literal["batch", "layer", "group", "none"] = "batch",
        dropout: float = 0.2,
        initialisation: Literal[
            "default", "kaiming", "kaiming_uniform", "xavier", "xavier_normal", "orthogonal", "truncated_normal"
        ] = "default",
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.table = inputs if isinstance(inputs, TableInputs) else None
        self.embedding = embedding
        self.codes: nn.Module | None = None
        if isinstance(inputs, ImageInputs):
            features = inputs.channels * inputs.height * inputs.width
        elif isinstance(inputs, SeriesInputs):
            features = inputs.length * inputs.channels
        else:
            if not inputs.columns:
                raise ValueError("the table has no feature columns: give the network at least one")
            if inputs.cardinalities:
                self.codes = CodeEmbedding(inputs.cardinalities, embedding)
            features = inputs.numbers + embedding * len(inputs.cardinalities)
        widths = (features, *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for width, following in zip(widths, hidden, strict=False):
            layers += [
                nn.Linear(width, following),
                VECTOR_NORMS[normalisation](following),
                ACTIVATIONS[activation](),
                nn.Dropout(dropout),
            ]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    def embed(self, *features: Tensor) -> Tensor:
        """What attributions are made of: images and series as they are; of a table a row a column, (B, P, D).

        A number stands in the first place of its row, zeros behind it.
        """
        if self.table is None:
            return features[0]
        numbers_BF, codes_BC = features
        rows_BFD = nn.functional.pad(numbers_BF[:, :, None], (0, self.embedding - 1))
        return rows_BFD if self.codes is None else torch.cat([rows_BFD, self.codes(codes_BC)], 1)

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Outputs (B, O) of what `embed` gave; `mask` is not needed."""
        if self.table is not None:
            numbers = self.table.numbers
            embedded = torch.cat([embedded[:, :numbers, 0], embedded[:, numbers:].flatten(1)], 1)
        outputs_BO: Tensor = self.layers(embedded)
        return outputs_BO

    def forward(self, *features: Tensor) -> Tensor:
        """Outputs (B, O), float32, of images (B, C, H, W), series (B, T, C), or numbers (B, F) and codes (B, C)."""
        return self.forward_embedded(self.embed(*features))
