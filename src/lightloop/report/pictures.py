"""Small pictures of test records."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from lightloop.data.image.records import decode_image

LONGEST = 192  # pixels: more is not seen in a thumbnail


def write_thumbnails(
    table: pa.Table, ids: Iterable[str], size: tuple[int, int], channels: int, folder: Path
) -> dict[str, str]:
    """Write a PNG for each of the records, as the model sees them.

    Args:
        table: records with `id` and `image`.
        ids: which of them.
        size: height and width that the model takes.
        channels: 1 or 3.
        folder: where to write; made when it is missing.

    Returns:
        File names by record; a record that `table` does not have is left out.
    """
    rows = {name: row for row, name in enumerate(table.column("id").to_pylist())}
    names: dict[str, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(ids):
        if name in rows:
            pixels_CHW = decode_image(table.column("image")[rows[name]].as_py(), size, channels)
            names[name] = f"{number:03}.png"
            _picture(pixels_CHW).save(folder / names[name], "PNG", optimize=True)
    return names


def _picture(pixels_CHW: NDArray[np.uint8]) -> Image.Image:
    if len(pixels_CHW) == 1:
        image = Image.fromarray(pixels_CHW[0])
    else:
        image = Image.fromarray(np.ascontiguousarray(pixels_CHW.transpose(1, 2, 0)))
    image.thumbnail((LONGEST, LONGEST))
    return image
