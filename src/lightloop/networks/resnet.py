"""A residual network for small images.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from typing import ClassVar, Literal

from torch import Tensor, nn

from lightloop.networks._inputs import ImageInputs
from lightloop.networks._layers import ACTIVATIONS, MAP_NORMS
from lightloop.networks._network import Network


class ResNet(Network):
    """Residual network: a stem, then groups of basic blocks; each group but the first halves the resolution.

    Args:
        inputs: size and channels of the images.
        outputs: K, the number of classes.
        channels: width of each group.
        blocks: basic blocks a group.
        activation: of the stem, and twice in each block.
        normalisation: after each convolution, which has a bias only where this is "none".
        dropout: probability, before the linear layer.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: 9 a b weights a 3x3 convolution from a to b channels, a b of the first shortcut of each group but the
    first, 2 b of each norm; (c + 1) K of the linear layer.

    Source: the CIFAR form of arXiv:1512.03385, section 4.2, with projections on the shortcuts.

    Examples:
        >>> import torch
        >>> ResNet(ImageInputs(3, 32, 32), 5, channels=(8, 16), blocks=1)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 5])
        >>> sum(parameter.numel() for parameter in ResNet(ImageInputs(1, 28, 28), 10).parameters())
        696042
    """

    modalities: ClassVar = ("image",)
    has_feature_maps: ClassVar = True

    def __init__(
        self,
        inputs: ImageInputs,
        outputs: int,
        *,
        channels: tuple[int, ...] = (32, 64, 128),
        blocks: int = 2,
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
        self.stem = nn.Sequential(
            _convolution(inputs.channels, channels[0], 3, normalisation),
            MAP_NORMS[normalisation](channels[0]),
            ACTIVATIONS[activation](),
        )
        layers: list[nn.Module] = []
        width = channels[0]
        for group, following in enumerate(channels):
            for block in range(blocks):
                stride = 2 if group > 0 and block == 0 else 1
                layers.append(_Block(width, following, stride, activation, normalisation))
                width = following
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(width, outputs))
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    @property
    def feature_maps(self) -> nn.Module:
        """The layer whose output (B, C, h, w) Grad-CAM weighs: the last one that still has positions."""
        return self.blocks

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K), float32, of preprocessed images (B, C, H, W), float32."""
        logits_BK: Tensor = self.head(self.blocks(self.stem(x_BCHW)))
        return logits_BK


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: str, normalisation: str) -> None:
        super().__init__()
        norm = MAP_NORMS[normalisation]
        self.residual = nn.Sequential(
            _convolution(inputs, outputs, 3, normalisation, stride),
            norm(outputs),
            ACTIVATIONS[activation](),
            _convolution(outputs, outputs, 3, normalisation),
            norm(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(_convolution(inputs, outputs, 1, normalisation, stride), norm(outputs))
        )
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW: Tensor = self.activation(self.residual(x_BCHW) + self.shortcut(x_BCHW))
        return out_BCHW


def _convolution(inputs: int, outputs: int, size: int, normalisation: str, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=normalisation == "none")
