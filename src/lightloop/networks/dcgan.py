"""A convolutional generator of images, and the discriminator that it is trained against.

Shapes: B batch, Z latent numbers, C channels, H height, W width, h and w height and width before upsampling.
"""

import math
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lightloop.networks._inputs import ImageInputs


class DCGAN(nn.Module):
    """Generator of a deep convolutional GAN: noise, a linear layer to a small map, then transposed convolutions.

    Each stage doubles the resolution, with batch normalisation and ReLU; the last ends in tanh. With S stages the first
    map has ceil(height / 2**S) by ceil(width / 2**S) positions, and what is larger than the image is cropped evenly:
    any size can be made, sizes that are a multiple of 2**S without waste.

    Args:
        inputs: size and channels of the images to be made.
        outputs: their number of pixels times channels; it is checked, nothing else.
        latent: Z, length of a noise vector.
        channels: width of the map before each stage; as many stages as widths.

    Raises:
        ValueError: `outputs` is not what `inputs` say, or a width is below 1.

    Parameters: latent c h w of the linear layer, c being the first width and h w the first map; 2 a of each norm;
    16 a b weights a transposed convolution from a to b channels, and C biases of the last.

    Source: arXiv:1511.06434, figure 1 and section 3.

    Examples:
        >>> import torch
        >>> DCGAN(ImageInputs(1, 28, 28), 784, latent=8, channels=(16, 8))(torch.zeros(2, 8)).shape
        torch.Size([2, 1, 28, 28])
    """

    modalities: ClassVar = ("image",)
    problems: ClassVar = ("generation",)
    has_feature_maps: ClassVar = False

    def __init__(
        self,
        inputs: ImageInputs,
        outputs: int,
        *,
        latent: int = 64,
        channels: tuple[int, ...] = (128, 64),
    ) -> None:
        super().__init__()
        if outputs != inputs.channels * inputs.height * inputs.width:
            raise ValueError(f"a generator of {inputs} has {inputs.channels * inputs.height * inputs.width} outputs")
        if latent < 1 or not channels or min(channels) < 1:
            raise ValueError(f"latent and channels must be 1 or more, but are {latent} and {channels}")
        self.size = (inputs.height, inputs.width)
        small = tuple(math.ceil(side / 2 ** len(channels)) for side in self.size)
        self.start = nn.Sequential(
            nn.Linear(latent, channels[0] * small[0] * small[1], bias=False),
            nn.Unflatten(1, (channels[0], *small)),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        )
        stages: list[nn.Module] = []
        for width, following in pairwise(channels):
            stages += [
                nn.ConvTranspose2d(width, following, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(following),
                nn.ReLU(),
            ]
        last = nn.ConvTranspose2d(channels[-1], inputs.channels, 4, stride=2, padding=1)
        self.stages = nn.Sequential(*stages, last, nn.Tanh())
        self.apply(draw_weights)

    def forward(self, z_BZ: Tensor) -> Tensor:
        """Images (B, C, H, W), float, -1 to 1, of noise (B, Z), standard normal."""
        x_BCHW: Tensor = self.stages(self.start(z_BZ))
        height, width = self.size
        top, left = (x_BCHW.shape[2] - height) // 2, (x_BCHW.shape[3] - width) // 2
        return x_BCHW[:, :, top : top + height, left : left + width]


class Discriminator(nn.Module):
    """The generator's mirror image: strided convolutions with leaky ReLU, then one number, the higher the more real.

    Args:
        inputs: size and channels of the images.
        channels: width of the map after each stage, each of which halves the resolution.
        norm: "spectral" divides each weight by its largest singular value (arXiv:1802.05957), which keeps the training
            stable; "batch" is that of DCGAN, on all stages but the first; "none" suits gradient penalties.

    Source: arXiv:1511.06434, section 3.

    Examples:
        >>> import torch
        >>> Discriminator(ImageInputs(1, 28, 28), channels=(8, 16))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])
    """

    def __init__(
        self, inputs: ImageInputs, *, channels: tuple[int, ...], norm: Literal["spectral", "batch", "none"] = "spectral"
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = (inputs.channels, *channels)
        for number, (width, following) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(width, following, 4, stride=2, padding=1))
            if norm == "batch" and number:
                layers.append(nn.BatchNorm2d(following))
            layers.append(nn.LeakyReLU(0.2))
        # Half, rounded down, with each stage.
        height, width = (side // 2 ** len(channels) for side in (inputs.height, inputs.width))
        if not (height and width):
            raise ValueError(f"{len(channels)} stages halve images of {inputs.height} x {inputs.width} to nothing")
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * height * width, 1))
        self.apply(draw_weights)
        if norm == "spectral":
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    spectral_norm(layer)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Scores (B,), float, of images (B, C, H, W), -1 to 1."""
        scores_B1: Tensor = self.layers(x_BCHW)
        return scores_B1[:, 0]


def draw_weights(module: nn.Module) -> None:
    """Normal weights of deviation 0.02, as arXiv:1511.06434 has them."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
