"""The contract of a raw record: its schema, and how records become arrays. No torch: the service uses the same code.

Shapes: N records.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Feeds = dict[str, NDArray[Any]]


class RecordInput(BaseModel, ABC):
    """The schema of a raw record, as `bundle.json` holds it; one subclass a modality, `data/<modality>/input.py`.

    Each subclass has a field `kind`, a literal that tells it apart.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    @abstractmethod
    def feeds(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """The graph's inputs: by name the NumPy dtype and the shape; None stands for any number."""

    @abstractmethod
    def encode(self, table: pa.Table, files: Mapping[str, bytes]) -> Feeds:
        """Records as arrays, (N, ...) each, by the names of `feeds`.

        Args:
            table: with the feature columns as `data.records.read_records` gives them; other columns are not looked at.
            files: of the preprocessing, by name, such as a tokenizer.

        Raises:
            RefusedError: a record is not as the schema says.
        """
