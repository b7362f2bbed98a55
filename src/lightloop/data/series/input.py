"""A series as a raw record."""

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa

from lightloop.data.inputs import Feeds, RecordInput


class SeriesInput(RecordInput):
    """A series."""

    kind: Literal["series"] = "series"

    @property
    def feeds(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        return {}

    def encode(self, table: pa.Table, files: Mapping[str, bytes]) -> Feeds:
        return {}
