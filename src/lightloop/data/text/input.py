"""A text as a raw record."""

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa

from lightloop.data.inputs import Feeds, RecordInput


class TextInput(RecordInput):
    """A text."""

    kind: Literal["text"] = "text"

    @property
    def feeds(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        return {}

    def encode(self, table: pa.Table, files: Mapping[str, bytes]) -> Feeds:
        return {}
