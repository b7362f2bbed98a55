"""Pictures of records and of what speaks for their predicted class.

Attributions are drawn as colour over the darkened record: the stronger, the more opaque. Signed ones from blue
(speaks against) to orange (speaks for), Grad-CAM from violet to yellow: colours that the colour-blind tell apart.

Shapes: N records, C channels, H height, W width.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH = 112  # pixels, about: small records are enlarged by a whole factor, without smoothing
COLOURS = 48  # of a palette: what keeps a picture at a few kilobytes
AGAINST, FOR = (90, 170, 255), (255, 150, 30)
# Anchors of the inferno colour map from its readable part, from weak to strong.
HEAT = np.array([(87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], dtype=float)


def save_pictures(folder: Path, pixels_NCHW: NDArray[np.uint8], maps: Mapping[str, NDArray[np.float32]]) -> None:
    """Write `000-input.png`, the record as it is, and `000-METHOD.png` for each record into an existing folder.

    Args:
        folder: where to.
        pixels_NCHW: the records.
        maps: attributions (N, H, W) by method.
    """
    for number, pixels_CHW in enumerate(pixels_NCHW):
        _save(_rgb(pixels_CHW), folder / picture_name(number, "input"))
        for method, map_NHW in maps.items():
            _save(overlay(pixels_CHW, map_NHW[number]), folder / picture_name(number, method))


def picture_name(number: int, kind: str) -> str:
    """The file of a record's picture: of the record (`input`) or of a method's attributions.

    Examples:
        >>> picture_name(7, "grad_cam")
        '007-grad_cam.png'
    """
    return f"{number:03d}-{kind}.png"


def overlay(pixels_CHW: NDArray[np.uint8], map_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The blended picture (H, W, 3), uint8. A map of zeros leaves the darkened record.

    The scale is each record's own: its 99th percentile is full strength, so that one pixel does not pale all others.
    """
    size_HW = np.abs(map_HW, dtype=np.float64)
    full = np.quantile(size_HW, 0.99) or size_HW.max()
    strength_HW1 = np.clip(size_HW / full, 0, 1)[..., None] if full > 0 else np.zeros((*map_HW.shape, 1))
    colour_HW3 = _heat(strength_HW1) if map_HW.min() >= 0 else np.where(map_HW[..., None] > 0, FOR, AGAINST)
    opacity_HW1 = 0.85 * strength_HW1
    blended = opacity_HW1 * colour_HW3 + (1 - opacity_HW1) * (0.45 * _rgb(pixels_CHW))
    return blended.round().astype(np.uint8)


def _heat(strength_HW1: NDArray[np.float64]) -> NDArray[np.float64]:
    places = np.linspace(0, 1, len(HEAT))
    return np.concatenate([np.interp(strength_HW1, places, HEAT[:, channel]) for channel in range(3)], axis=-1)


def _rgb(pixels_CHW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    channels_last = pixels_CHW.transpose(1, 2, 0)
    return np.repeat(channels_last, 3, axis=2) if channels_last.shape[2] == 1 else np.ascontiguousarray(channels_last)


def _save(picture_HW3: NDArray[np.uint8], path: Path) -> None:
    image = Image.fromarray(picture_HW3).quantize(COLOURS, dither=Image.Dither.NONE)
    factor = max(1, round(WIDTH / image.width))
    image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST).save(
        path, "PNG", optimize=True
    )
