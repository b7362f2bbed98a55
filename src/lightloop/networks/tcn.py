"""A temporal convolutional network over the steps of a text or series.

Shapes: B batch, T steps, D width, C channels, O outputs.
"""

from typing import ClassVar, Literal

from torch import Tensor, nn

from lightloop.networks._inputs import PADDING, SeriesInputs, TextInputs
from lightloop.networks._layers import ACTIVATIONS, STEP_NORMS
from lightloop.networks._network import Network
from lightloop.networks._pooling import Pool, at_least_first


class TCN(Network):
    """Residual blocks of causal convolutions whose dilation doubles from block to block; pooled, and a linear layer.

    A step sees itself and what came before, 2 (`kernel` - 1) (2^n - 1) steps with n blocks; so padding at the end is
    not seen by the steps before it.

    Args:
        inputs: of texts or series.
        outputs: O.
        channels: width of each block.
        kernel: steps that a convolution sees.
        embedding: width of a token's vector; for texts only.
        pooling: over the steps, see `_pooling.Pool`.
        activation: after each convolution and its norm, and after each block.
        normalisation: "layer" of each step by itself, "batch" over the batch and all steps, padding among them.
        dropout: probability, after each convolution.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: k a b + b a convolution from a to b channels and k = `kernel`, two a block, 2 b of each norm; (a + 1) b
    of the shortcut where a block changes the width; `embedding` a token; O (c + 1) of the linear layer.

    Source: arXiv:1803.01271, section 3, with layer instead of weight normalisation.

    Examples:
        >>> import torch
        >>> network = TCN(SeriesInputs(length=12, channels=2), 3, channels=(4,), kernel=3)
        >>> network(torch.zeros(5, 12, 2)).shape
        torch.Size([5, 3])
        >>> sum(parameter.numel() for parameter in network.parameters())  # 28 + 52 + 2 * 8 + 12 + 15
        123
    """

    modalities: ClassVar = ("text", "series")
    has_feature_maps: ClassVar = False

    def __init__(
        self,
        inputs: TextInputs | SeriesInputs,
        outputs: int,
        *,
        channels: tuple[int, ...] = (64, 64, 64, 64),
        kernel: int = 3,
        embedding: int = 64,
        pooling: Literal["mean", "last", "attention"] = "mean",
        activation: Literal[
            "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus"
        ] = "relu",
        normalisation: Literal["batch", "layer", "none"] = "layer",
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
            self.embedding: nn.Module = nn.Embedding(inputs.vocabulary, embedding, padding_idx=PADDING)
            width = embedding
        else:
            self.embedding = nn.Identity()
            width = inputs.channels
        self.blocks = nn.Sequential()
        for place, following in enumerate(channels):
            self.blocks.append(
                _Block(width, following, kernel, 2**place, activation=activation, norm=normalisation, dropout=dropout)
            )
            width = following
        self.pool = Pool(width, pooling)
        self.head = nn.Linear(width, outputs)
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    def embed(self, features: Tensor) -> Tensor:
        """Vectors (B, T, D) of the tokens, float32; of series the steps themselves."""
        embedded_BTD: Tensor = self.embedding(features)
        return embedded_BTD

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Outputs (B, O) of what `embed` gave; `mask` (B, T), bool, is True where a token is, None everywhere."""
        if mask is not None:
            mask = at_least_first(mask)
        x_BTD = self.blocks(embedded.transpose(1, 2)).transpose(1, 2)
        outputs_BO: Tensor = self.head(self.pool(x_BTD, mask))
        return outputs_BO

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (B, O), float32, of token ids (B, T), int64, or series (B, T, C), float32."""
        return self.forward_embedded(self.embed(features), features != PADDING if self.reads_texts else None)


class _Block(nn.Module):
    """Two causal convolutions beside a shortcut: (B, C, T) to (B, C, T)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        dilation: int,
        *,
        activation: str,
        norm: str,
        dropout: float,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (inputs, outputs):
            layers += [
                # Zeros before the first step alone, so that no step sees a later one.
                nn.ConstantPad1d(((kernel - 1) * dilation, 0), 0.0),
                nn.Conv1d(width, outputs, kernel, dilation=dilation),
                STEP_NORMS[norm](outputs),
                ACTIVATIONS[activation](),
                nn.Dropout(dropout),
            ]
        self.residual = nn.Sequential(*layers)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x_BCT: Tensor) -> Tensor:
        out_BCT: Tensor = self.activation(self.residual(x_BCT) + self.shortcut(x_BCT))
        return out_BCT
