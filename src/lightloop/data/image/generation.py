"""Generation of images: noise goes into the model, images are what it learns from.

Shapes: N records, B batch, Z latent numbers, C channels, H height, W width.
"""

import pyarrow as pa
import torch
from torch import Tensor

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.batches import EncodedRecords
from lightloop.data.image.input import ImageInput
from lightloop.data.image.module import ImageModule
from lightloop.data.noise import NoiseInput
from lightloop.data.preprocessor import Preprocessor
from lightloop.data.targets import encode_targets
from lightloop.networks._inputs import ImageInputs


class GenerationPreprocessor(Preprocessor):
    """Noise as it is; and between pixels, 0 to 255, and what a generator makes, -1 to 1. Nothing is fitted.

    Args:
        config: of the run; read are `data` and the length `network.latent` of a noise vector.

    Examples:
        >>> GenerationPreprocessor.scale(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
        [-1.0, 1.0]
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        assert isinstance(config.data, ImageSpec)
        self.spec = config.data
        self.latent = int(config.network.arguments()["latent"])

    def fit(self, train: pa.Table) -> None:
        pass

    @property
    def input(self) -> NoiseInput:
        return NoiseInput(size=self.latent)

    @property
    def inputs(self) -> ImageInputs:
        """Of the images: what a generator makes."""
        return ImageInputs(self.spec.channels, *self.spec.size)

    def encode(self, table: pa.Table) -> tuple[Tensor, ...]:
        """Noise (N, Z), float32."""
        return (torch.from_numpy(self.input.encode(table, {})["noise"]),)

    def restore(self, outputs_BO: Tensor, *encoded: Tensor) -> Tensor:
        """Levels (B, C, H, W), 0 to 255, float, of a generator's images, -1 to 1."""
        return (outputs_BO + 1) * 127.5

    @staticmethod
    def scale(pixels_BCHW: Tensor) -> Tensor:
        """Images (B, C, H, W), -1 to 1, float32, of pixels, uint8: the inverse of `restore`."""
        return pixels_BCHW.float() / 127.5 - 1


class GenerationModule(ImageModule):
    """Real images to learn from: its batches hold pixels (B, C, H, W), uint8, and not what `preprocessor` encodes."""

    def _encoded(self, table: pa.Table) -> EncodedRecords:
        spec = self.config.data
        assert isinstance(spec, ImageSpec)
        images = ImageInput(channels=spec.channels, size=spec.size)
        return EncodedRecords((torch.from_numpy(images.encode(table, {})["image"]),), encode_targets(table, spec))
