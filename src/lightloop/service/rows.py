"""A short way for usual records: from the request to the graph without an Arrow table between.

A table of one row with many columns takes ten times as long as the model. What is usual (known categories, numbers in
the training records' range, nothing missing that never was; images of a usual size) needs no more than this. Of all
else, and so of all that is warned about or refused, the general way decides (`Predictor.score`).

Shapes: N records, M columns of numbers, C channels, H height, W width.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lightloop.data.image.input import ImageInput
from lightloop.data.image.records import to_pixels
from lightloop.data.inputs import Feeds
from lightloop.data.tabular.input import MISSING, TabularInput
from lightloop.serving.manifest import Manifest, Ranges
from lightloop.serving.ranges import TIMES
from lightloop.serving.records import MOST_PIXELS

Records = Sequence[Mapping[str, Any]]


class ShortWay(Protocol):
    """From checked records to what the graph takes, where all of them are usual."""

    def feeds(self, records: Records) -> Feeds | None:
        """What the graph takes, as the bundle's input encodes it; None where a record is not usual."""


def short_way(manifest: Manifest) -> ShortWay | None:
    """That of a bundle, where its kind of record has one."""
    match manifest.input:
        case TabularInput() as schema:
            return Rows(schema)
        case ImageInput() as schema:
            return Images(schema, manifest.ranges or Ranges())
        case _:
            return None


class Rows:
    """That of tables.

    Examples:
        >>> from lightloop.data.tabular.input import Feature
        >>> age = Feature(name="age", kind="number", low=18, high=90)
        >>> town = Feature(name="town", kind="category", values=("Rome",))
        >>> rows = Rows(TabularInput(features=(age, town)))
        >>> rows.feeds([{"age": 30, "town": "Rome"}])
        {'age': array([[30.]], dtype=float32), 'town': array([['Rome']], dtype=object)}
        >>> rows.feeds([{"age": 30, "town": "Rom"}]) is None
        True
    """

    def __init__(self, schema: TabularInput) -> None:
        numbers = [feature for feature in schema.features if feature.kind == "number"]
        self._numbers = [feature.name for feature in numbers]
        self._low_M = np.array([-np.inf if one.low is None else one.low for one in numbers], dtype=np.float32)
        self._high_M = np.array([np.inf if one.high is None else one.high for one in numbers], dtype=np.float32)
        self._whole_M = np.array([not one.missing for one in numbers], dtype=np.bool_)
        self._known: dict[str, dict[object, str]] = {
            feature.name: {name: name for name in feature.values} | ({None: MISSING} if feature.missing else {})
            for feature in schema.features
            if feature.kind != "number"
        }

    def feeds(self, records: Records) -> Feeds | None:
        """See `ShortWay`."""
        values_NM = np.array([[one.get(name) for name in self._numbers] for one in records], dtype=np.float64)
        values_NM = values_NM.reshape(len(records), -1).astype(np.float32)
        unusual_NM = (values_NM < self._low_M) | (values_NM > self._high_M) | (np.isnan(values_NM) & self._whole_M)
        if unusual_NM.any():
            return None
        columns = np.ascontiguousarray(values_NM.T)[:, :, None]
        feeds = dict(zip(self._numbers, columns, strict=True))
        for name, known in self._known.items():
            texts = np.empty((len(records), 1), dtype=object)
            for row, one in enumerate(records):
                value = one.get(name)
                # Only texts: to a dict, true is the same as 1.
                if (value is not None and value.__class__ is not str) or value not in known:
                    return None
                texts[row, 0] = known[value]
            feeds[name] = texts
        return feeds


class Images:
    """That of images: each is opened once, to see its size and to decode it."""

    def __init__(self, schema: ImageInput, ranges: Ranges) -> None:
        self._size, self._channels = schema.size, schema.channels
        self._spans = [span or (0, MOST_PIXELS) for span in (ranges.widths, ranges.heights)]

    def feeds(self, records: Records) -> Feeds | None:
        """See `ShortWay`."""
        pixels_NCHW = np.empty((len(records), self._channels, *self._size), dtype=np.uint8)
        for row, record in enumerate(records):
            pixels_CHW = self._pixels(record["image"])
            if pixels_CHW is None:
                return None
            pixels_NCHW[row] = pixels_CHW
        return {"image": pixels_NCHW}

    def _pixels(self, image: str | bytes) -> NDArray[np.uint8] | None:
        try:
            encoded = base64.b64decode(image, validate=True) if isinstance(image, str) else image
            with Image.open(io.BytesIO(encoded)) as opened:
                width, height = opened.size
                if width * height > MOST_PIXELS or not self._usual(width, height):
                    return None
                return to_pixels(opened, self._size, self._channels)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None

    def _usual(self, *sides: int) -> bool:
        return all(low / TIMES <= side <= high * TIMES for side, (low, high) in zip(sides, self._spans, strict=True))
