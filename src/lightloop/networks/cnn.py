"""A small convolutional network.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from typing import ClassVar, Literal

from torch import Tensor, nn

from lightloop.networks._inputs import ImageInputs
from lightloop.networks._layers import ACTIVATIONS, MAP_NORMS
from lightloop.networks._network import Network


class CNN(Network):
    """Convolutional network of stages: each halves the resolution; then the mean over positions and a linear layer.

    Downsampling is by mean, not by maximum: DeepLIFT is wrong on ReLU followed by max pooling (captum 0.9, #1104).
    Activations are modules, each used once, so that attribution methods can hook them.

    Args:
        inputs: size and channels of the images.
        outputs: K, the number of classes.
        channels: width of each stage; two convolutions a stage but for the first.
        activation: after each convolution and its norm.
        normalisation: after each convolution, which has a bias only where this is "none".
        dropout: probability, before the linear layer.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: 9 a b weights a convolution from a to b channels, 2 b of its norm; (c + 1) K of the linear layer.

    Source: VGG's stacks of 3x3 convolutions (arXiv:1409.1556) with batch normalisation and global average pooling.

    Examples:
        >>> import torch
        >>> network = CNN(ImageInputs(1, 28, 28), 10)
        >>> network(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
        >>> sum(parameter.numel() for parameter in network.parameters())
        100522
    """

    modalities: ClassVar = ("image",)
    has_feature_maps: ClassVar = True

    def __init__(
        self,
        inputs: ImageInputs,
        outputs: int,
        *,
        channels: tuple[int, ...] = (32, 48, 64),
        activation: Literal[
            "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus"
        ] = "relu",
        normalisation: Literal["batch", "layer", "group", "none"] = "batch",
        dropout: float = 0.1,
        initialisation: Literal[
            "default", "kaiming", "kaiming_uniform", "xavier", "xavier_normal", "orthogonal", "truncated_normal"
        ] = "default",
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.stages = nn.Sequential()
        width = inputs.channels
        for stage, following in enumerate(channels):
            layers = [_convolution(width, following, activation, normalisation)]
            if stage > 0:
                layers.append(_convolution(following, following, activation, normalisation))
            self.stages.append(nn.Sequential(*layers, nn.AvgPool2d(2)))
            width = following
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(width, outputs))
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    @property
    def feature_maps(self) -> nn.Module:
        """The layer whose output (B, C, h, w) Grad-CAM weighs: the last activation, before its positions are pooled."""
        last = self.stages[-1]
        assert isinstance(last, nn.Sequential)
        return last[-2]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K), float32, of preprocessed images (B, C, H, W), float32."""
        logits_BK: Tensor = self.head(self.stages(x_BCHW))
        return logits_BK


def _convolution(inputs: int, outputs: int, activation: str, normalisation: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=normalisation == "none"),
        MAP_NORMS[normalisation](outputs),
        ACTIVATIONS[activation](),
    )
