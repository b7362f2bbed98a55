"""Augmentation of whole image batches, on the batch's device.

Each image has draws of its own: the transforms of torchvision would change all images of a batch alike.

Shapes: B batch, C channels, H height, W width, K classes.
"""

import torch
from scipy.special import betaincinv
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from lightloop.config.image import ImageAugment
from lightloop.data.targets import Mix

# Share of red, green and blue in the brightness that is seen (ITU-R BT.601), as in torchvision.
LUMA = (0.2989, 0.587, 0.114)


def augment_images(pixels_BCHW: Tensor, settings: ImageAugment, generator: torch.Generator) -> Tensor:
    """Mirror, shift, rotate, crop, colour and erase, each image on its own draw.

    Args:
        pixels_BCHW: uint8.
        settings: which changes, how strong.
        generator: of every random number, on the device of the batch.

    Returns:
        Pixels of the same shape and dtype; what comes in from outside repeats the border.

    Examples:
        >>> batch = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> augment_images(batch, ImageAugment(name="image", shift=2), torch.Generator()).shape
        torch.Size([4, 1, 8, 8])
    """
    if settings.shift or settings.flip:
        pixels_BCHW = _mirror_and_shift(pixels_BCHW, settings, generator)
    coloured = settings.brightness or settings.contrast or settings.saturation
    if settings.rotate or settings.crop < 1 or coloured:
        # Rounded once, after all that computes with fractions.
        x_BCHW = pixels_BCHW.float()
        if settings.rotate or settings.crop < 1:
            x_BCHW = _rotate_and_crop(x_BCHW, settings, generator)
        if coloured:
            x_BCHW = _colour(x_BCHW, settings, generator)
        pixels_BCHW = x_BCHW.round().clamp(0, 255).to(pixels_BCHW.dtype)
    if settings.erase:
        pixels_BCHW = _erase(pixels_BCHW, settings.erase, generator)
    return pixels_BCHW


def mix_images(pixels_BCHW: Tensor, settings: ImageAugment, generator: torch.Generator) -> tuple[Tensor, Mix]:
    """Mix each image with another one of the batch, by mixup or cutmix.

    Where both are on, each image has one of them, with equal chances.

    Args:
        pixels_BCHW: uint8.
        settings: `mixup` and `cutmix` are the parameter of the symmetric beta distribution that shares are drawn from;
            `mixed` is the chance of an image to be mixed.
        generator: of every random number, on the device of the batch.

    Returns:
        Pixels of the same shape and dtype, and what was mixed, for `targets.mix_targets`.

    Source: arXiv:1710.09412 (mixup), arXiv:1905.04899 (cutmix).

    Examples:
        >>> pixels = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
        >>> mixed, mix = mix_images(pixels, ImageAugment(name="image", mixup=0.4), torch.Generator())
        >>> mix.partner_B.shape, bool((mix.own_B <= 1).all())
        (torch.Size([2]), True)
    """
    batch, device = len(pixels_BCHW), pixels_BCHW.device
    partner_B = torch.randperm(batch, generator=generator, device=device)
    mixed_B = torch.rand(batch, generator=generator, device=device) < settings.mixed
    cut_B = torch.rand(batch, generator=generator, device=device) < 0.5
    if not (settings.mixup and settings.cutmix):
        cut_B = torch.full_like(cut_B, settings.cutmix > 0)
    # How much of each pixel is the image's own.
    own_BHW = torch.ones(batch, *pixels_BCHW.shape[2:], device=device)
    if settings.mixup:
        blended_B = mixed_B & ~cut_B
        share_B = _beta(batch, settings.mixup, generator)
        own_BHW = torch.where(blended_B[:, None, None], share_B[:, None, None], own_BHW)
    if settings.cutmix:
        box_BHW = _boxes(own_BHW, _beta(batch, settings.cutmix, generator), generator)
        own_BHW = torch.where((mixed_B & cut_B)[:, None, None] & box_BHW, 0.0, own_BHW)
    own_B1HW = own_BHW[:, None]
    x_BCHW = own_B1HW * pixels_BCHW + (1 - own_B1HW) * pixels_BCHW[partner_B]
    return x_BCHW.round().to(pixels_BCHW.dtype), Mix(partner_B, own_BHW.mean((1, 2)))


def _mirror_and_shift(pixels_BCHW: Tensor, settings: ImageAugment, generator: torch.Generator) -> Tensor:
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
    # One gather for mirror and shift together.
    image_B = torch.arange(batch, device=device)
    pixels_BHWC = pixels_BCHW.permute(0, 2, 3, 1)[image_B[:, None, None], rows_BH[:, :, None], columns_BW[:, None, :]]
    return pixels_BHWC.permute(0, 3, 1, 2)


def _rotate_and_crop(x_BCHW: Tensor, settings: ImageAugment, generator: torch.Generator) -> Tensor:
    """One sampling for both: what is seen is a rectangle of the image, turned around its own middle."""
    batch, _, height, width = x_BCHW.shape
    draws_B4 = torch.rand(batch, 4, generator=generator, device=x_BCHW.device)
    angle_B = (2 * draws_B4[:, 0] - 1) * settings.rotate * torch.pi / 180
    side_B = 1 - draws_B4[:, 1] * (1 - settings.crop)
    # In coordinates from -1 to 1 the rectangle's middle may lie so far from the image's that it stays inside.
    middle_B2 = (2 * draws_B4[:, 2:] - 1) * (1 - side_B)[:, None]
    cosine_B, sine_B = side_B * angle_B.cos(), side_B * angle_B.sin()
    rows = (
        torch.stack([cosine_B, -sine_B * (height / width), middle_B2[:, 0]], 1),
        torch.stack([sine_B * (width / height), cosine_B, middle_B2[:, 1]], 1),
    )
    grid_BHW2 = affine_grid(torch.stack(rows, 1), list(x_BCHW.shape), align_corners=False)
    return grid_sample(x_BCHW, grid_BHW2, mode="bilinear", padding_mode="border", align_corners=False)


def _colour(x_BCHW: Tensor, settings: ImageAugment, generator: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation, in that order, by factors around 1."""
    strengths_3 = torch.tensor([settings.brightness, settings.contrast, settings.saturation], device=x_BCHW.device)
    draws_B3 = torch.rand(len(x_BCHW), 3, generator=generator, device=x_BCHW.device)
    brightness, contrast, saturation = (1 + (2 * draws_B3 - 1) * strengths_3).T[:, :, None, None, None]
    if settings.brightness:
        x_BCHW = (x_BCHW * brightness).clamp(0, 255)
    if settings.contrast:
        mean_B111 = _grey(x_BCHW).mean((1, 2, 3), keepdim=True)
        x_BCHW = (mean_B111 + contrast * (x_BCHW - mean_B111)).clamp(0, 255)
    if settings.saturation and x_BCHW.shape[1] == len(LUMA):
        grey_B1HW = _grey(x_BCHW)
        x_BCHW = (grey_B1HW + saturation * (x_BCHW - grey_B1HW)).clamp(0, 255)
    return x_BCHW


def _grey(x_BCHW: Tensor) -> Tensor:
    if x_BCHW.shape[1] != len(LUMA):
        return x_BCHW.mean(1, keepdim=True)
    return (x_BCHW * torch.tensor(LUMA, device=x_BCHW.device)[:, None, None]).sum(1, keepdim=True)


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


def _boxes(own_BHW: Tensor, share_B: Tensor, generator: torch.Generator) -> Tensor:
    """Where a rectangle lies, (B, H, W), bool: 1 - `share_B` of the area, less where it reaches over the border."""
    batch, height, width = own_BHW.shape
    device = own_BHW.device
    size_2 = torch.tensor([height, width], device=device)
    half_B2 = (1 - share_B).sqrt()[:, None] * size_2 / 2
    centre_B2 = torch.rand(batch, 2, generator=generator, device=device) * size_2
    first_B2, last_B2 = (centre_B2 - half_B2).round(), (centre_B2 + half_B2).round()
    row_H, column_W = torch.arange(height, device=device), torch.arange(width, device=device)
    in_rows_BH = (row_H >= first_B2[:, :1]) & (row_H < last_B2[:, :1])
    in_columns_BW = (column_W >= first_B2[:, 1:]) & (column_W < last_B2[:, 1:])
    return in_rows_BH[:, :, None] & in_columns_BW[:, None, :]


def _beta(batch: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draws (B,) of the beta distribution with both parameters `alpha`: torch's own takes no generator."""
    uniform_B = torch.rand(batch, generator=generator, device=generator.device, dtype=torch.float64)
    return torch.from_numpy(betaincinv(alpha, alpha, uniform_B.cpu().numpy())).float().to(generator.device)
