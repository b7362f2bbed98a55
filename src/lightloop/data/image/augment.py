"""Augmentation of whole image batches, on the batch's device.

Shapes: B batch, C channels, H height, W width.
"""

import torch
from torch import Tensor

from lightloop.config.image import ImageAugment


def augment_images(pixels_BCHW: Tensor, settings: ImageAugment, generator: torch.Generator) -> Tensor:
    """Mirror, shift and erase, each image on its own draw.

    Args:
        pixels_BCHW: uint8.
        settings: which changes, how strong.
        generator: of every random number, on the device of the batch.

    Returns:
        Pixels of the same shape and dtype; what is shifted in repeats the border.

    Examples:
        >>> batch = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> augment_images(batch, ImageAugment(name="image", shift=2), torch.Generator()).shape
        torch.Size([4, 1, 8, 8])
    """
    batch, _, height, width = pixels_BCHW.shape
    device = pixels_BCHW.device
    rows_BH = torch.arange(height, device=device).expand(batch, height)
    columns_BW = torch.arange(width, device=device).expand(batch, width)
    if settings.shift:
        offsets_B2 = torch.randint(-settings.shift, settings.shift + 1, (batch, 2), generator=generator, device=device)
        rows_BH = (rows_BH + offsets_B2[:, :1]).clamp(0, height - 1)
        columns_BW = (columns_BW + offsets_B2[:, 1:]).clamp(0, width - 1)
    if settings.flip:
        mirrored_B = torch.rand(batch, generator=generator, device=device) < 0.5
        columns_BW = torch.where(mirrored_B[:, None], width - 1 - columns_BW, columns_BW)
    if settings.shift or settings.flip:
        # One gather for mirror and shift together.
        image_B = torch.arange(batch, device=device)
        pixels_BHWC = pixels_BCHW.permute(0, 2, 3, 1)[
            image_B[:, None, None], rows_BH[:, :, None], columns_BW[:, None, :]
        ]
        pixels_BCHW = pixels_BHWC.permute(0, 3, 1, 2)
    if settings.erase:
        pixels_BCHW = _erase(pixels_BCHW, settings.erase, generator)
    return pixels_BCHW


def _erase(pixels_BCHW: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Grey a square of a quarter to half of the side in a share of the images (random erasing, arXiv:1708.04896)."""
    batch, _, height, width = pixels_BCHW.shape
    device = pixels_BCHW.device
    side_B = (torch.rand(batch, generator=generator, device=device) * 0.25 + 0.25) * min(height, width)
    centre_B2 = torch.rand(batch, 2, generator=generator, device=device) * torch.tensor([height, width], device=device)
    near_row_BH = (torch.arange(height, device=device) - centre_B2[:, :1]).abs() <= side_B[:, None] / 2
    near_column_BW = (torch.arange(width, device=device) - centre_B2[:, 1:]).abs() <= side_B[:, None] / 2
    hit_B = torch.rand(batch, generator=generator, device=device) < probability
    erased_BHW = near_row_BH[:, :, None] & near_column_BW[:, None, :] & hit_B[:, None, None]
    return torch.where(erased_BHW[:, None], torch.full_like(pixels_BCHW, 128), pixels_BCHW)
