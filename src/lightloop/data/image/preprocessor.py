"""Preprocessing of images as part of the model: arithmetic that is fitted, saved and exported with the network."""

import pyarrow as pa
import torch
from torch import Tensor

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.image.input import ImageInput
from lightloop.data.preprocessor import Preprocessor
from lightloop.networks._inputs import ImageInputs


class ImagePreprocessor(Preprocessor):
    """Pixels to standardised floats: (x / 255 - mean) / deviation, a mean and a deviation for each channel.

    Its state lies in buffers, so it travels in checkpoints and in the exported graph; serving has no second
    implementation.

    Args:
        config: of the run; read is `data`.

    Examples:
        >>> from lightloop.config.compose import compose_config
        >>> from lightloop.project import Project
        >>> preprocess = ImagePreprocessor(compose_config(Project.find()))
        >>> preprocess.fit_pixels(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
        >>> preprocess(torch.tensor([[[[255]]]], dtype=torch.uint8))[0].item()
        1.0
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        assert isinstance(config.data, ImageSpec)
        self.spec = config.data
        self.register_buffer("mean", torch.zeros(self.spec.channels, 1, 1))
        self.register_buffer("deviation", torch.ones(self.spec.channels, 1, 1))

    def fit(self, train: pa.Table) -> None:
        (pixels_NCHW,) = self.encode(train)
        self.fit_pixels(pixels_NCHW)

    def fit_pixels(self, pixels_NCHW: Tensor) -> None:
        """Take mean and deviation of each channel from training pixels (N, C, H, W), uint8. Exact, not sampled."""
        counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in pixels_NCHW.unbind(1)])
        levels = torch.arange(256, dtype=torch.float64) / 255
        share = counts.double() / counts.sum(1, keepdim=True)
        mean = share @ levels
        deviation = (share @ levels.square() - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(mean.float()[:, None, None])
        # A constant channel carries nothing: dividing by 1 leaves it at 0.
        self.deviation.copy_(torch.where(deviation > 0, deviation, 1.0).float()[:, None, None])

    @property
    def input(self) -> ImageInput:
        return ImageInput(channels=self.spec.channels, size=self.spec.size)

    @property
    def inputs(self) -> ImageInputs:
        return ImageInputs(self.spec.channels, *self.spec.size)

    def encode(self, table: pa.Table) -> tuple[Tensor, ...]:
        """Pixels (N, C, H, W), uint8."""
        return (torch.from_numpy(self.input.encode(table, {})["image"]),)

    def forward(self, *encoded: Tensor) -> tuple[Tensor, ...]:
        """Standardised float32 (B, C, H, W) of pixels, uint8 or already float on the scale 0 to 255."""
        (pixels_BCHW,) = encoded
        return ((pixels_BCHW.float() / 255 - self.mean) / self.deviation,)
