"""Encoded images for the tests of the data check."""

import io
from typing import Any

import numpy as np
from PIL import Image


def encode(pixels: Any, kind: str = "PNG") -> bytes:
    """Pixels (H, W) or (H, W, 3), 0 to 255, as the bytes of an image file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels, dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def decode(encoded: bytes) -> Any:
    """The pixels of an encoded image."""
    return np.asarray(Image.open(io.BytesIO(encoded)))
