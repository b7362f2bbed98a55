"""The DataModule of texts.

Shapes: N records, B batch, T tokens.
"""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import torch
from torch import Tensor

from lightloop.config.text import TextAugment
from lightloop.data.batches import Batch, EncodedRecords, Rows
from lightloop.data.module import RecordsModule
from lightloop.data.text.augment import augment_ids
from lightloop.networks._inputs import PADDING


@dataclass(frozen=True)
class TextRecords(EncodedRecords):
    """Texts as token ids; a batch is as long as its longest record."""

    def __getitem__(self, chosen: Rows) -> Batch:
        batch = super().__getitem__(chosen)
        (ids_BT,) = batch.inputs
        longest = max(1, int((ids_BT != PADDING).sum(1).max()))
        return batch._replace(inputs=(ids_BT[:, :longest],))


class TextModule(RecordsModule):
    """Texts, tokenised once. Training batches hold texts of similar length, so that little of them is padding."""

    by_length: ClassVar[bool] = True

    def lengths(self, records: EncodedRecords) -> Tensor:
        return (records.inputs[0] != PADDING).sum(1)

    def augment(self, batch: Batch, random: torch.Generator) -> Batch:
        settings = self.config.augment
        assert isinstance(settings, TextAugment)
        return batch._replace(inputs=(augment_ids(batch.inputs[0], settings, random),))

    def _encoded(self, table: pa.Table) -> TextRecords:
        records = super()._encoded(table)
        return TextRecords(records.inputs, records.targets, records.auxiliary)
