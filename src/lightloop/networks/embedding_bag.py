"""Averages of token vectors: the bag of words as a network.

Shapes: B batch, T tokens, D width, P poolings, O outputs.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lightloop.networks._inputs import PADDING, TextInputs
from lightloop.networks._layers import ACTIVATIONS
from lightloop.networks._network import Network
from lightloop.networks._pooling import Pool, at_least_first

# Multiplicative hashing of a pair of tokens (Knuth, The Art of Computer Programming, volume 3, 6.4), small enough for
# the product to stay in int64.
FACTOR = 2_654_435_761
SHIFT = 15
SCALE = 0.1  # deviation of fresh vectors


class EmbeddingBag(Network):
    """Vectors of tokens, and of pairs of neighbours, pooled over the text; then fully connected layers.

    It knows no order beyond pairs, costs little, and is hard to beat where a class shows in what words a text has.

    Args:
        inputs: of the records.
        outputs: O.
        width: D, of each vector.
        buckets: vectors for pairs of neighbouring tokens, which share them by a hash; 0 takes single tokens alone.
        pooling: of the vectors over the text, P of them side by side: "mean", "max", "attention" (a weighted mean),
            "sqrtn" (the sum over the root of the number of tokens: a word in a long text weighs more than in a mean).
        hidden: width of each fully connected layer; () puts the outputs on the pooled vectors themselves.
        activation: after each of these.
        dropout: probability, on the pooled vectors and after each layer.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: (vocabulary + buckets) * D, those of attention (see `_pooling.Pool`), and those of the layers.

    Source: fastText (arXiv:1607.01759) for the mean with hashed pairs; deep averaging (ACL 2015, P15-1162) for the
    layers.

    Examples:
        >>> network = EmbeddingBag(TextInputs(50, 8), 2, width=4, buckets=16)
        >>> network(torch.tensor([[5, 6, 7, 0], [3, 0, 0, 0]])).shape
        torch.Size([2, 2])
    """

    modalities: ClassVar = ("text",)
    has_feature_maps: ClassVar = False

    def __init__(
        self,
        inputs: TextInputs,
        outputs: int,
        *,
        width: int = 64,
        buckets: int = 0,
        pooling: tuple[Literal["mean", "max", "attention", "sqrtn"], ...] = ("mean",),
        hidden: tuple[int, ...] = (64,),
        activation: Literal[
            "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus"
        ] = "relu",
        dropout: float = 0.3,
        initialisation: Literal[
            "default", "kaiming", "kaiming_uniform", "xavier", "xavier_normal", "orthogonal", "truncated_normal"
        ] = "default",
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        if not pooling:
            raise ValueError("network.pooling is empty: name at least one of mean, max, attention, sqrtn")
        self.tokens = nn.Embedding(inputs.vocabulary, width, padding_idx=PADDING)
        self.buckets = buckets
        if buckets:
            self.pairs = nn.Embedding(buckets, width)
            nn.init.normal_(self.pairs.weight, std=SCALE)
        nn.init.normal_(self.tokens.weight, std=SCALE)
        with torch.no_grad():
            self.tokens.weight[PADDING] = 0
        self.pooling = nn.ModuleList(OWN[how]() if how in OWN else Pool(width, how) for how in pooling)
        widths = (width * len(pooling), *hidden)
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        for incoming, outgoing in zip(widths, hidden, strict=False):
            layers += [nn.Linear(incoming, outgoing), ACTIVATIONS[activation](), nn.Dropout(dropout)]
        self.head = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    def embed(self, ids_BT: Tensor) -> Tensor:
        """Vectors (B, T, D): of each token, and added to it that of the pair with the one before."""
        vectors_BTD: Tensor = self.tokens(ids_BT)
        if not self.buckets:
            return vectors_BTD
        before_BT = nn.functional.pad(ids_BT, (1, 0))[:, :-1]
        hashed_BT = ((before_BT * FACTOR + ids_BT * 40_503) >> SHIFT) % self.buckets
        present_BT1 = (ids_BT != PADDING)[:, :, None]
        return vectors_BTD + self.pairs(hashed_BT) * present_BT1

    def forward_embedded(self, x_BTD: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """Outputs (B, O) of vectors (B, T, D); `mask_BT` is true where a token is."""
        mask_BT = None if mask_BT is None else at_least_first(mask_BT)
        pooled_BF = torch.cat([pool(x_BTD, mask_BT) for pool in self.pooling], 1)
        outputs_BO: Tensor = self.head(pooled_BF)
        return outputs_BO

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Outputs (B, O), float32, of token ids (B, T), int64."""
        return self.forward_embedded(self.embed(ids_BT), ids_BT != PADDING)


class Most(nn.Module):
    """The largest value of each feature over the steps that are present: (B, T, D) to (B, D)."""

    def forward(self, x_BTD: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        if mask_BT is not None:
            x_BTD = x_BTD.masked_fill(~mask_BT[:, :, None], -torch.inf)
        return x_BTD.amax(1)


class RootSum(nn.Module):
    """The sum of the steps that are present over the root of their number: (B, T, D) to (B, D)."""

    def forward(self, x_BTD: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        if mask_BT is None:
            return x_BTD.sum(1) / x_BTD.shape[1] ** 0.5
        weight_BT1 = mask_BT[:, :, None].to(x_BTD.dtype)
        return (x_BTD * weight_BT1).sum(1) / weight_BT1.sum(1).sqrt()


# Poolings that `_pooling.Pool` does not have.
OWN = {"max": Most, "sqrtn": RootSum}
