"""A multilayer perceptron on embeddings of a table's columns.

Shapes: B batch, F numeric columns, C columns of codes, P columns, D width of an embedding, O outputs.
"""

from typing import ClassVar, Literal

from torch import Tensor, nn

from lightloop.networks._embeddings import ColumnEmbedding, Periodic, Piecewise
from lightloop.networks._inputs import TableInputs
from lightloop.networks._layers import ACTIVATIONS, VECTOR_NORMS
from lightloop.networks._network import Network


class Tabular(Network):
    """Numbers and codes become vectors, and all of them together pass fully connected layers.

    Args:
        inputs: the columns; numbers should be standardised.
        outputs: O.
        numbers: how a number is encoded before its own linear layer: "piecewise" by its way through bins, "periodic"
            by cosines and sines, "linear" as it is.
        embedding: D.
        bins: of the piecewise encoding: quantiles of the normal distribution, see `_embeddings.Piecewise`.
        frequencies: of the periodic encoding, each a cosine and a sine.
        scale: deviation of the frequencies at the start; arXiv:2203.05556 calls it the most important one to tune.
        hidden: width of each hidden layer.
        activation: of each hidden layer, and of the encoded numbers.
        normalisation: of each hidden layer.
        dropout: probability, after each hidden layer.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: F D (Q + 1) of the numbers' linear layers with Q = 1, `bins` or 2 `frequencies`, F `frequencies` more
    where periodic; D a code; (a + 1) b a layer from a to b features, of which the first has P D, and 2 b of its norm.

    Source: arXiv:2203.05556 (MLP-QLR and MLP-PLR).

    Examples:
        >>> import torch
        >>> network = Tabular(TableInputs(numbers=2, cardinalities=(3,)), 1, embedding=4, bins=5, hidden=(16,))
        >>> network(torch.zeros(4, 2), torch.ones(4, 1, dtype=torch.int64)).shape
        torch.Size([4, 1])
        >>> sum(parameter.numel() for parameter in network.parameters())  # 2*4*6 + 3*4 + (12+1)*16 + 2*16 + 17
        317
    """

    modalities: ClassVar = ("tabular",)
    has_feature_maps: ClassVar = False

    def __init__(
        self,
        inputs: TableInputs,
        outputs: int,
        *,
        numbers: Literal["piecewise", "periodic", "linear"] = "piecewise",
        embedding: int = 16,
        bins: int = 16,
        frequencies: int = 16,
        scale: float = 0.1,
        hidden: tuple[int, ...] = (256, 128),
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
        encode: nn.Module | None = None
        encoded = 1
        if numbers == "piecewise":
            encode, encoded = Piecewise(bins), bins
        elif numbers == "periodic" and inputs.numbers:
            encode, encoded = Periodic(inputs.numbers, frequencies, scale), 2 * frequencies
        self.columns = ColumnEmbedding(
            inputs.numbers,
            inputs.cardinalities,
            embedding,
            encode=encode,
            encoded=encoded,
            activation=None if numbers == "linear" else ACTIVATIONS[activation],
        )
        layers: list[nn.Module] = [nn.Flatten()]
        width = inputs.columns * embedding
        for following in hidden:
            layers += [
                nn.Linear(width, following),
                VECTOR_NORMS[normalisation](following),
                ACTIVATIONS[activation](),
                nn.Dropout(dropout),
            ]
            width = following
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, outputs)
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    def embed(self, numbers_BF: Tensor, codes_BC: Tensor) -> Tensor:
        """A row a column (B, P, D), float32, numbers first."""
        columns_BPD: Tensor = self.columns(numbers_BF, codes_BC)
        return columns_BPD

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Outputs (B, O) of what `embed` gave; `mask` is not needed."""
        outputs_BO: Tensor = self.head(self.layers(embedded))
        return outputs_BO

    def forward(self, numbers_BF: Tensor, codes_BC: Tensor) -> Tensor:
        """Outputs (B, O), float32, of numbers (B, F), float32, and codes (B, C), int64."""
        return self.forward_embedded(self.embed(numbers_BF, codes_BC))
