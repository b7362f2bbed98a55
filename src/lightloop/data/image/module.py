"""The DataModule of images."""

import torch
from torch import Tensor

from lightloop.config.image import ImageAugment
from lightloop.data.image.augment import augment_images, mix_images
from lightloop.data.module import RecordsModule


class ImageModule(RecordsModule):
    """Images, decoded once and held as one tensor of pixels."""

    def augment(
        self, inputs: tuple[Tensor, ...], targets: Tensor, random: torch.Generator
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        settings = self.config.augment
        assert isinstance(settings, ImageAugment)
        pixels_BCHW = augment_images(inputs[0], settings, random)
        if settings.mixup or settings.cutmix:
            pixels_BCHW, targets = mix_images(pixels_BCHW, targets, settings, random, len(self.config.data.classes))
        return (pixels_BCHW,), targets
