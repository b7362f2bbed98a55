"""An image as a raw record.

Shapes: N records, C channels, H height, W width.
"""

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa

from lightloop.data.image.records import decode_images
from lightloop.data.inputs import Feeds, RecordInput


class ImageInput(RecordInput):
    """What the graph takes: pixels (N, C, H, W), uint8, levels 0 to 255, not yet standardised.

    Attributes:
        kind: of record.
        channels: 1 grey, 3 colour (red, green, blue).
        size: height, width in pixels; images of other sizes are scaled to it before they enter.
    """

    kind: Literal["image"] = "image"
    channels: Literal[1, 3]
    size: tuple[int, int]

    @property
    def feeds(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        return {"image": ("uint8", (None, self.channels, *self.size))}

    def encode(self, table: pa.Table, files: Mapping[str, bytes]) -> Feeds:
        return {"image": decode_images(table.column("image").to_pylist(), self.size, self.channels)}
