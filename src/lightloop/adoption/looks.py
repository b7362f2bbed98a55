"""What images and texts are like, from an even draw of them. No torch."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from lightloop.adoption.model import Pictures
from lightloop.data.image.records import FORMS

LOOKED_AT = 500
# Sides of images that are trained on without a GPU; larger ones are scaled down to it.
LONGEST_SIDE = 64


def pictures_of(images: Sequence[Path] | pa.ChunkedArray) -> Pictures:
    """Size and colour of images.

    Args:
        images: files, or encoded bytes as a column, of the struct that the datasets library writes or plain.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    grey = looked_at = 0
    for content in _drawn(images):
        try:
            with Image.open(io.BytesIO(content), formats=FORMS) as opened:
                sizes[(opened.height, opened.width)] += 1
                grey += _is_grey(opened)
                looked_at += 1
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
    if not sizes:
        return Pictures((LONGEST_SIDE, LONGEST_SIDE), 3, (0, 0), 0, 0)
    # Of equally common ones the smallest, so that the order of files decides nothing.
    commonest = min(sizes, key=lambda size: (-sizes[size], size))
    typical = commonest if sizes[commonest] >= 0.5 * looked_at else _median(sizes)
    return Pictures(_proposed(typical), 1 if grey == looked_at else 3, commonest, len(sizes), looked_at)


def word_lengths(texts: Sequence[Path] | pa.ChunkedArray) -> int:
    """How many words 95 % of some texts have at most; of lists, how many steps the longest has."""
    if isinstance(texts, pa.ChunkedArray):
        kind = texts.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            return int(pc.max(pc.list_value_length(texts)).as_py() or 1)
        some = pc.drop_null(texts.cast(pa.large_string()))
        contents = [some[place].as_py() for place in _places(len(some))]
    else:
        contents = [texts[place].read_bytes().decode("utf-8", errors="replace") for place in _places(len(texts))]
    lengths = [len(text.split()) for text in contents]
    return max(1, int(np.quantile(lengths, 0.95))) if lengths else 1


def _drawn(images: Any) -> list[bytes]:
    if not isinstance(images, pa.ChunkedArray):
        return [images[place].read_bytes() for place in _places(len(images))]
    if pa.types.is_struct(images.type):
        images = pc.struct_field(images, "bytes")
    known = pc.drop_null(images)
    return [known[place].as_py() for place in _places(len(known))]


def _places(count: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(int)).tolist() if count else []


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("1", "L", "I", "I;16", "F", "LA"):
        return True
    small = np.asarray(image.convert("RGB").resize((16, 16)), dtype=np.int16)
    return bool((np.abs(small - small[:, :, :1]) <= 2).all())


def _median(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    all_sizes = np.array(list(sizes.elements()))
    height, width = np.median(all_sizes, axis=0).astype(int).tolist()
    return height, width


def _proposed(size: tuple[int, int]) -> tuple[int, int]:
    height, width = size
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return max(8, round(height * scale)), max(8, round(width * scale))
