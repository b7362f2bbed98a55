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


def probabilities(predictor, pixels_NCHW, batch_size=256):
    """What a bundle answers to decoded images."""
    return predictor.run({"image": pixels_NCHW}, batch_size)["probabilities"]


def logits(model, pixels_NCHW):
    """What a model of images answers to decoded ones, as a tensor."""
    import torch

    with torch.no_grad():
        return model.graph().eval()(pixels_NCHW)[0]
