"""Image records as they lie on disk: a Parquet file or a folder of class folders; and decoding them. No torch.

Shapes: N records, C channels, H height, W width.
"""

import io
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lightloop.config.data import Part
from lightloop.config.image import ImageSpec
from lightloop.data.files import read_table, where_is
from lightloop.errors import LightloopError, RefusedError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
# Forms that are read. Pillow knows more, among them PostScript, which it hands to another program.
FORMS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
# So many images are decoded before threads would have started.
ALONE = 4
SCHEMA = pa.schema([("id", pa.string()), ("image", pa.large_binary()), ("label", pa.string())])


def read(spec: ImageSpec, root: Path, part: Part) -> pa.Table:
    """See `data.records.read_records`; the columns are `id`, `image` (encoded bytes) and `label`."""
    path = root / spec.path / spec.files[part]
    if path.is_dir():
        return _read_folder(path)
    carried = spec.with_role("group", "time", "sensitive", "slice", "auxiliary")
    table = read_table(spec, root, part, [spec.feature, spec.target, *carried])
    records = pa.table(
        {
            "id": [f"{part}/{row}" for row in range(len(table))],
            "image": _image_bytes(table.column(spec.feature), where_is(spec, part)),
            "label": table.column(spec.target).cast(pa.string()),
        },
        schema=SCHEMA,
    )
    for name in carried:
        records = records.append_column(name, table.column(name))
    return records


def _image_bytes(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Plain bytes, or the struct of bytes and path that the datasets library writes."""
    kind = column.type
    if pa.types.is_struct(kind) and "bytes" in [field.name for field in kind]:
        column = pc.struct_field(column, "bytes")
        kind = column.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise RefusedError(f"{where} has images of type {kind}: expected bytes, or a struct of bytes and path")
    return column.cast(pa.large_binary())


def _read_folder(path: Path) -> pa.Table:
    files = sorted(file for file in path.glob("*/*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise LightloopError(f"{path} holds no images: expected one folder a class with images in it")
    return pa.table(
        {
            "id": [file.relative_to(path).as_posix() for file in files],
            "image": [file.read_bytes() for file in files],
            "label": [file.parent.name for file in files],
        },
        schema=SCHEMA,
    )


def reduced_size(size: tuple[int, int], positions: int) -> tuple[int, int]:
    """Height and width of images of `size`, scaled in proportion to at most so many positions.

    Examples:
        >>> reduced_size((28, 28), 1024), reduced_size((128, 64), 1024)
        ((28, 28), (45, 22))
    """
    height, width = size
    scale = min(1.0, math.sqrt(positions / (height * width)))
    return max(1, int(height * scale)), max(1, int(width * scale))


def decode_image(encoded: bytes, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """One encoded image as pixels (C, H, W), uint8 in 0 to 255; other sizes are scaled with antialiasing.

    Raises:
        RefusedError: the bytes are no image that can be decoded.

    Examples:
        >>> buffer = io.BytesIO()
        >>> Image.new("RGB", (4, 4), "white").save(buffer, "PNG")
        >>> decode_image(buffer.getvalue(), (2, 2), channels=1).tolist()
        [[[255, 255], [255, 255]]]
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMS) as opened:
            return to_pixels(opened, size, channels)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RefusedError(f"an image of {len(encoded)} bytes does not decode ({why_not(error)})") from None


def to_pixels(opened: Image.Image, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """An opened image as pixels; see `decode_image`."""
    mode = "L" if channels == 1 else "RGB"
    # To convert what is so already is to copy it.
    image = opened if opened.mode == mode else opened.convert(mode)
    height, width = size
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    # As np.asarray takes them, which asks the image more than need be.
    pixels = np.frombuffer(image.tobytes(), dtype=np.uint8).reshape(height, width, channels)
    return pixels.reshape(1, height, width) if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def why_not(error: Exception) -> str:
    """What Pillow says, but for the place in memory of an image of a form that it does not know."""
    return "no known form of image" if isinstance(error, UnidentifiedImageError) else str(error)


def decode_images(encoded: Sequence[bytes | None], size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Many encoded images as pixels (N, C, H, W), uint8. Pillow decodes without the interpreter lock: threads help.

    Raises:
        RefusedError: one of them is missing, or does not decode.
    """
    images = [image for image in encoded if image is not None]
    if len(images) < len(encoded):
        row = next(row for row, image in enumerate(encoded) if image is None)
        raise RefusedError(f"record number {row + 1} has no image: leave it out, or give it one")
    pixels = np.empty((len(encoded), channels, *size), dtype=np.uint8)

    def decode(row: int) -> None:
        pixels[row] = decode_image(images[row], size, channels)

    if len(encoded) <= ALONE:
        for row in range(len(encoded)):
            decode(row)
        return pixels
    with ThreadPoolExecutor(max_workers=4) as pool:
        for _ in pool.map(decode, range(len(encoded)), chunksize=256):
            pass
    return pixels


def picture(pixels_CHW: NDArray[np.uint8]) -> Image.Image:
    """Pixels (1 or 3, H, W) as a picture."""
    one = len(pixels_CHW) == 1
    return Image.fromarray(pixels_CHW[0] if one else np.ascontiguousarray(np.moveaxis(pixels_CHW, 0, -1)))
