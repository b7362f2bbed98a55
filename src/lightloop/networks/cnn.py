"""A small convolutional network.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from typing import ClassVar

from torch import Tensor, nn

from lightloop.networks._inputs import ImageInputs


class CNN(nn.Module):
    """Convolutional network of stages: each halves the resolution; then the mean over positions and a linear layer.

    Downsampling is by mean, not by maximum: DeepLIFT is wrong on ReLU followed by max pooling (captum 0.9, #1104).
    Activations are modules, each used once, so that attribution methods can hook them.

    Args:
        inputs: size and channels of the images.
        outputs: K, the number of classes.
        channels: width of each stage; two convolutions a stage but for the first.
        dropout: probability, before the linear layer.

    Source: VGG's stacks of 3x3 convolutions (arXiv:1409.1556) with batch normalisation and global average pooling.

    Examples:
        >>> import torch
        >>> CNN(ImageInputs(1, 28, 28), 10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    modalities: ClassVar = ("image",)
    has_feature_maps: ClassVar = True

    def __init__(
        self,
        inputs: ImageInputs,
        outputs: int,
        *,
        channels: tuple[int, ...] = (32, 48, 64),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        widths = (inputs.channels, *channels)
        self.stages = nn.Sequential(
            *(_stage(a, b, first=i == 0) for i, (a, b) in enumerate(zip(widths, channels, strict=False)))
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels[-1], outputs)
        )

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


def _stage(inputs: int, outputs: int, *, first: bool) -> nn.Sequential:
    layers = (
        [_convolution(inputs, outputs)] if first else [_convolution(inputs, outputs), _convolution(outputs, outputs)]
    )
    return nn.Sequential(*layers, nn.AvgPool2d(2))


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
