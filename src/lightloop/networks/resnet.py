"""A residual network for small images.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from typing import ClassVar

from torch import Tensor, nn

from lightloop.networks._inputs import ImageInputs


class ResNet(nn.Module):
    """Residual network: a stem, then groups of basic blocks; each group but the first halves the resolution.

    Args:
        inputs: size and channels of the images.
        outputs: K, the number of classes.
        channels: width of each group.
        blocks: basic blocks a group.
        dropout: probability, before the linear layer.

    Source: the CIFAR form of arXiv:1512.03385, section 4.2, with projections on the shortcuts.

    Examples:
        >>> import torch
        >>> ResNet(ImageInputs(3, 32, 32), 5, channels=(8, 16), blocks=1)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 5])
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
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs.channels, channels[0], 3, padding=1, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()
        )
        layers: list[nn.Module] = []
        width = channels[0]
        for group, following in enumerate(channels):
            for block in range(blocks):
                layers.append(_Block(width, following, stride=2 if group > 0 and block == 0 else 1))
                width = following
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(width, outputs))

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

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
        )
        self.activation = nn.ReLU()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW: Tensor = self.activation(self.residual(x_BCHW) + self.shortcut(x_BCHW))
        return out_BCHW
