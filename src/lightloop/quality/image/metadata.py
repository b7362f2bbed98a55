"""What is known of each record without training on it: one table, a row a record, that the expectations are about."""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image, UnidentifiedImageError
from rich.progress import track

from lightloop.config.image import ImageSpec
from lightloop.quality.relations import RELATIONS, read_parts, relate

CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")
CORNER = 8  # of the shorter side of an image the side of a corner block is one part
# Columns of the table and their pandas types; each of these types can hold a null.
COLUMNS = {
    "id": "str",
    "part": "str",
    "label": "str",
    "bytes": "Int64",  # of the encoded image
    "decodes": "boolean",
    "width": "Int64",  # pixels
    "height": "Int64",
    "mode": "str",  # Pillow's: L grey, RGB colour
    "mean": "float64",  # of the pixels, 0 to 255
    "std": "float64",
    **dict.fromkeys(CORNERS, "float64"),  # mean of a small block of pixels there, 0 to 255
    "hash": "str",  # of the decoded pixels
    **RELATIONS,
}
LEVELS = np.arange(256)
# Above this size of an encoded image decoding outweighs the hand-over between threads (measured: two threads need
# 1.3 times as long as one for 28 x 28 pixels).
THREADS_FROM_BYTES = 4_096
PROGRESS_FROM_BYTES = 100_000_000


class Picture(NamedTuple):
    """What the pixels of one image say; `mean`, `std` and the means of its corners on the scale 0 to 255."""

    width: int
    height: int
    mode: str
    mean: float
    std: float
    top_left: float
    top_right: float
    bottom_left: float
    bottom_right: float
    hash: str


def read_metadata(spec: ImageSpec, root: Path) -> pd.DataFrame:
    """The metadata table of every part that the data set has.

    Args:
        spec: the data set.
        root: the project's folder, to which `spec.path` is relative.

    Returns:
        A row a record, in the order of the files, with the columns and types of `COLUMNS`. What is missing or does
        not decode is null there: the expectations find it.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column that the spec names is missing or of the wrong kind.
    """
    parts = [describe_part(spec, part, records) for part, records in read_parts(spec, root)]
    return relate(pd.concat(parts, ignore_index=True))[list(COLUMNS)]


def describe_part(spec: ImageSpec, part: str, records: pa.Table) -> pd.DataFrame:
    """The same of some records, but for how they stand to others."""
    encoded = records.column("image").to_pylist()
    pictures = list(_describe_all(encoded, spec.channels))
    table = pd.DataFrame(
        {
            "id": records.column("id").to_pylist(),
            "part": part,
            "label": records.column("label").to_pylist(),
            "bytes": [None if image is None else len(image) for image in encoded],
            "decodes": [
                None if image is None else picture is not None for image, picture in zip(encoded, pictures, strict=True)
            ],
        }
    )
    for field in Picture._fields:
        table[field] = [None if picture is None else getattr(picture, field) for picture in pictures]
    return table.astype({name: kind for name, kind in COLUMNS.items() if name in table})


def _describe_all(encoded: Sequence[bytes | None], channels: int) -> Iterator[Picture | None]:
    sizes = [len(image) for image in encoded if image is not None]
    threads = (os.cpu_count() or 1) if sizes and fmean(sizes) > THREADS_FROM_BYTES else 1

    def describe(image: bytes | None) -> Picture | None:
        return None if image is None else describe_image(image, channels)

    with ThreadPoolExecutor(threads) as pool:
        pictures = map(describe, encoded) if threads == 1 else pool.map(describe, encoded)
        yield from track(
            pictures,
            "Reading images",
            total=len(encoded),
            transient=True,
            disable=sum(sizes) < PROGRESS_FROM_BYTES,
        )


def describe_image(encoded: bytes, channels: int) -> Picture | None:
    """Size, mode, pixel statistics and hash of one image, or None when it does not decode.

    Statistics and hash are of the pixels as the model gets them (grey or colour, before scaling), so that a copy that
    was encoded anew, even in another mode, has the same hash.

    Args:
        encoded: a file's bytes, of any format that Pillow reads.
        channels: 1 for grey, 3 for colour.

    Examples:
        >>> buffer = io.BytesIO()
        >>> Image.new("L", (4, 2), 51).save(buffer, "PNG")
        >>> describe_image(buffer.getvalue(), channels=1)[:5]
        (4, 2, 'L', 51.0, 0.0)
        >>> describe_image(b"no image", channels=1) is None
        True
    """
    try:
        with Image.open(io.BytesIO(encoded)) as opened:
            mode = opened.mode
            image = opened.convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    counts = np.reshape(image.histogram(), (-1, 256)).sum(axis=0)
    total = int(counts.sum())
    mean = int(counts @ LEVELS) / total
    variance = int(counts @ LEVELS**2) / total - mean**2
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode() + image.tobytes()).hexdigest()
    deviation = max(variance, 0.0) ** 0.5
    return Picture(image.width, image.height, mode, mean, deviation, **_corners(image), hash=digest)


def _corners(image: Image.Image) -> dict[str, Any]:
    """The mean of a block of pixels in each corner, by `CORNERS`."""
    pixels = np.asarray(image)
    side = max(1, min(image.size) // CORNER)
    first, last = slice(None, side), slice(-side, None)
    blocks = [pixels[rows, columns] for rows in (first, last) for columns in (first, last)]
    return {name: float(block.mean()) for name, block in zip(CORNERS, blocks, strict=True)}
