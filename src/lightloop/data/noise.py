"""Noise as a raw record: what a generator is asked with.

Shapes: N records, Z latent numbers.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from lightloop.data.inputs import Feeds, RecordInput
from lightloop.errors import RefusedError


class NoiseInput(RecordInput):
    """What the graph takes: standard normal numbers (N, Z), float32.

    Attributes:
        kind: of record.
        size: Z. A record may hold more numbers, of which the first Z are taken: the numbers are independent, so
            generators with different Z can be asked the same questions.

    Examples:
        >>> table = pa.table({"noise": [[0.5, -1.0, 2.0]]})
        >>> NoiseInput(size=2).encode(table, {})["noise"].tolist()
        [[0.5, -1.0]]
    """

    kind: Literal["noise"] = "noise"
    size: Annotated[int, Field(ge=1)]

    @property
    def feeds(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        return {"noise": ("float32", (None, self.size))}

    def encode(self, table: pa.Table, files: Mapping[str, bytes]) -> Feeds:
        if "noise" not in table.column_names:
            raise RefusedError(f"the records have no column noise: give lists of {self.size} standard normal numbers")
        rows = table.column("noise").to_pylist()
        noise_NZ = np.empty((len(rows), self.size), dtype=np.float32)
        for number, row in enumerate(rows):
            if row is None or len(row) < self.size:
                came = "none" if row is None else len(row)
                raise RefusedError(f"record {number} has {came} numbers of noise: expected {self.size}")
            noise_NZ[number] = row[: self.size]
        lost = np.flatnonzero(~np.isfinite(noise_NZ).all(1))
        if len(lost):
            raise RefusedError(f"record {lost[0]} has noise that is no finite number: draw it anew")
        return {"noise": noise_NZ}
