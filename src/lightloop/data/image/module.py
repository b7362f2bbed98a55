"""The DataModule of images."""

import torch

from lightloop.config.image import ImageAugment
from lightloop.data.batches import Batch
from lightloop.data.image.augment import augment_images, mix_images
from lightloop.data.module import RecordsModule
from lightloop.data.targets import mix_targets


class ImageModule(RecordsModule):
    """Images, decoded once and held as one tensor of pixels."""

    def augment(self, batch: Batch, random: torch.Generator) -> Batch:
        settings, spec = self.config.augment, self.config.data
        assert isinstance(settings, ImageAugment)
        pixels_BCHW = augment_images(batch.inputs[0], settings, random)
        if not (settings.mixup or settings.cutmix):
            return batch._replace(inputs=(pixels_BCHW,))
        pixels_BCHW, mix = mix_images(pixels_BCHW, settings, random)
        heads = [len(spec.columns[name].classes) for name in spec.with_role("auxiliary")]
        auxiliary = tuple(
            mix_targets(part, mix, classes)
            for part, classes in zip(batch.auxiliary, heads, strict=bool(batch.auxiliary))
        )
        targets = mix_targets(batch.targets, mix, len(spec.classes))
        return batch._replace(inputs=(pixels_BCHW,), targets=targets, auxiliary=auxiliary)
