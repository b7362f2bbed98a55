"""A short way for checked records: from the request to the graph without an Arrow table between.

A table of one row with many columns takes ten times as long as the model. Rows of tables, and images of a usual size,
need no more than this. Of all else, and so of all images that are refused or warned about, the general way decides
(`Predictor.score`).

Shapes: N records, M columns of numbers, C channels, H height, W width.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from lightloop.data.image.input import ImageInput
from lightloop.data.image.records import FORMS, to_pixels
from lightloop.data.inputs import Feeds
from lightloop.data.tabular.input import MISSING, TabularInput
from lightloop.serving import cells
from lightloop.serving.manifest import Manifest, Ranges
from lightloop.serving.ranges import TIMES, of_rows
from lightloop.serving.records import MOST_PIXELS

# What the usual images begin with, so that Pillow need not look for their form.
PNG: Final = b"\x89PNG\r\n\x1a\n"
FORM_OF: Final = {b"\xff\xd8\xff\xe0": ("JPEG",), b"\xff\xd8\xff\xe1": ("JPEG",)}
Records = Sequence[Mapping[str, Any]]


class Short(NamedTuple):
    """Records as the short way has them.

    Attributes:
        feeds: what the graph takes, as the bundle's input encodes it.
        warnings: about each record.
    """

    feeds: Feeds
    warnings: list[tuple[str, ...]]


class ShortWay(Protocol):
    """From checked records to what the graph takes."""

    def short(self, records: Records) -> Short | None:
        """The records; None where the general way decides.

        Raises:
            RefusedError: a record is not as the manifest's input says.
        """


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
        >>> rows.short([{"age": 30, "town": "Rome"}])
        Short(feeds={'age': array([[30.]], dtype=float32), 'town': array([['Rome']], dtype=object)}, warnings=[()])
        >>> rows.short([{"age": 30, "town": "Rom"}]).warnings
        [("town is 'Rom', which no training record has.",)]
    """

    def __init__(self, schema: TabularInput) -> None:
        numbers = [feature for feature in schema.features if feature.kind == "number"]
        self._features = schema.features
        self._numbers = [feature.name for feature in numbers]
        self._low_M = np.array([-np.inf if one.low is None else one.low for one in numbers], dtype=np.float32)
        self._high_M = np.array([np.inf if one.high is None else one.high for one in numbers], dtype=np.float32)
        self._whole_M = np.array([not one.missing for one in numbers], dtype=np.bool_)
        self._values = {one.name: frozenset(one.values) for one in schema.features if one.kind != "number"}
        self._usual: dict[str, dict[object, str]] = {
            feature.name: {name: name for name in feature.values} | ({None: MISSING} if feature.missing else {})
            for feature in schema.features
            if feature.kind != "number"
        }

    def short(self, records: Records) -> Short | None:
        """See `ShortWay`."""
        values_NM = np.array([[one.get(name) for name in self._numbers] for one in records], dtype=np.float64)
        values_NM = values_NM.reshape(len(records), -1).astype(np.float32)
        unusual_NM = (values_NM < self._low_M) | (values_NM > self._high_M) | (np.isnan(values_NM) & self._whole_M)
        unusual: set[str] = set()
        if unusual_NM.any():
            unusual |= {self._numbers[place] for place in np.flatnonzero(unusual_NM.any(0))}
        columns = np.ascontiguousarray(values_NM.T)[:, :, None]
        feeds = dict(zip(self._numbers, columns, strict=True))
        for name, usual in self._usual.items():
            texts = np.empty((len(records), 1), dtype=object)
            for row, one in enumerate(records):
                value = one.get(name)
                # Only texts: to a dict, true is the same as 1.
                found = usual.get(value) if value is None or value.__class__ is str else None
                if found is None:
                    unusual.add(name)
                    found = cells.category(value, row, name, self._values[name]) or MISSING
                texts[row, 0] = found
            feeds[name] = texts
        return Short(feeds, self._warnings(unusual, feeds, len(records)) if unusual else [()] * len(records))

    def _warnings(self, unusual: set[str], feeds: Feeds, count: int) -> list[tuple[str, ...]]:
        return of_rows([one for one in self._features if one.name in unusual], feeds, count)


class Images:
    """That of images: each is opened once, to see its size and to decode it."""

    def __init__(self, schema: ImageInput, ranges: Ranges) -> None:
        self._size, self._channels = schema.size, schema.channels
        spans = [span or (0, MOST_PIXELS) for span in (ranges.widths, ranges.heights)]
        self._limits = [limit for low, high in spans for limit in (low / TIMES, high * TIMES)]

    def short(self, records: Records) -> Short | None:
        """See `ShortWay`."""
        found = []
        for record in records:
            pixels_CHW = self._pixels(record["image"])
            if pixels_CHW is None:
                return None
            found.append(pixels_CHW)
        if not found:
            return None
        pixels_NCHW = found[0][None] if len(found) == 1 else np.stack(found)
        return Short({"image": pixels_NCHW}, [()] * len(found))

    def _pixels(self, image: str | bytes) -> NDArray[np.uint8] | None:
        try:
            encoded = base64.b64decode(image, validate=True) if isinstance(image, str) else image
            with self._opened(encoded) as opened:
                width, height = opened.size
                if width * height > MOST_PIXELS or not self._usual(width, height):
                    return None
                return to_pixels(opened, self._size, self._channels)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None

    def _usual(self, width: int, height: int) -> bool:
        least_width, most_width, least_height, most_height = self._limits
        return least_width <= width <= most_width and least_height <= height <= most_height

    @staticmethod
    def _opened(encoded: bytes) -> Image.Image:
        """An image whose head is read; a PNG as `Image.open` makes it once it knows that it is one."""
        if encoded.startswith(PNG):
            return PngImageFile(io.BytesIO(encoded))
        return Image.open(io.BytesIO(encoded), formats=FORM_OF.get(encoded[:4], FORMS))
