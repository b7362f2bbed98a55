"""The DataModule: reads, divides, fits the preprocessing on the training split alone, yields whole batches.

What differs from modality to modality stands in a subclass, `data/<modality>/module.py`.
"""

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from lightloop.config.schema import Config
from lightloop.data.balance import class_weights, resampled_rows, reweighing
from lightloop.data.batches import Batch, BatchRows, EncodedRecords, RecordsLoader
from lightloop.data.clean import clean_records
from lightloop.data.grouping import group_names
from lightloop.data.preprocessor import Preprocessor, build_preprocessor
from lightloop.data.splits import SplitName, read_splits
from lightloop.data.targets import check_classes, encode_auxiliary, encode_targets


class RecordsModule(pl.LightningDataModule):
    """A LightningDataModule over records that fit into memory.

    Args:
        config: of the run; read are `data`, `clean`, `balance`, `preprocess`, `augment`, `task`, `seed` and
            `trainer.batch_size`.
        root: the project's folder.

    Attributes:
        preprocessor: fitted by `setup`; it belongs to the model and is saved with it.
        tables: the records of each split as they lie on disk, see `data.records.read_records`.
        splits: the same records encoded.

    Examples:
        >>> from lightloop.config.compose import compose_config
        >>> from lightloop.project import Project
        >>> project = Project.find()
        >>> data = build_data(compose_config(project), project.root)
        >>> data.setup()
        >>> batch = next(iter(data.val_dataloader()))
        >>> len(batch.inputs[0]) == len(batch.targets)
        True
    """

    # Whether records of similar length share a batch, which is then no longer than its longest record.
    by_length: ClassVar[bool] = False

    def __init__(self, config: Config, root: Path) -> None:
        super().__init__()
        self.config = config
        self.root = root
        self.preprocessor = build_preprocessor(config)
        self.tables: dict[SplitName, pa.Table] = {}
        self.splits: dict[SplitName, EncodedRecords] = {}
        self.fitted = False

    def given(self, tables: Mapping[SplitName, pa.Table] | None, preprocessor: Preprocessor | None) -> None:
        """Before `setup`: take records, and preprocessing that is fitted, instead of reading and fitting them."""
        self.tables = dict(tables or {})
        if preprocessor is not None:
            self.preprocessor, self.fitted = preprocessor, True

    def setup(self, stage: str | None = None) -> None:
        """Read, divide, fit and encode, once, whatever `stage` Lightning asks for.

        Raises:
            LightloopError: a file is missing or not readable.
            RefusedError: a record is not as the spec says, or all training records are of one class.
        """
        if self.splits:
            return
        if not self.tables:
            self.tables = read_splits(self.config.data, self.root, self.config.seed)
        self.tables["train"] = clean_records(self.tables["train"], self.config.data, self.config.clean)
        if self.config.data.problem == "classification":
            check_classes(self.tables["train"])
        if not self.fitted:
            self.preprocessor.fit(self.tables["train"])
        self.splits = {split: self._encoded(table) for split, table in self.tables.items()}
        train = self._resampled(self.splits["train"])
        self.splits["train"] = replace(train, weights=self._chances(train))

    def augment(self, batch: Batch, random: torch.Generator) -> Batch:
        """Change a training batch at random, on its device; the default changes nothing."""
        return batch

    def lengths(self, records: EncodedRecords) -> Tensor | None:
        """Length (N,) of each record, where `by_length`."""
        return None

    def _encoded(self, table: pa.Table) -> EncodedRecords:
        spec = self.config.data
        several = self.config.task.name == "multi_task"
        auxiliary = encode_auxiliary(table, spec, self.tables["train"]) if several else ()
        return EncodedRecords(self.preprocessor.encode(table), encode_targets(table, spec), auxiliary)

    def class_weights(self) -> Tensor | None:
        """What each class weighs in the loss (K,), where `balance` says so; after `setup`."""
        if self.config.balance.name != "class_weights":
            return None
        return class_weights(self.splits["train"].targets, len(self.config.data.classes))

    def _resampled(self, records: EncodedRecords) -> EncodedRecords:
        if self.config.balance.name not in ("oversample", "undersample"):
            return records
        rows = resampled_rows(records.targets, self.config.balance.name, self.config.seed)
        return records.take(rows)

    def _chances(self, records: EncodedRecords) -> Tensor | None:
        """The chance (N,) of each record to be drawn, where `balance` says so."""
        balance = self.config.balance
        if balance.name == "reweighing":
            column = balance.by or self.config.data.with_role("sensitive")[0]
            values = self.tables["train"].column(column).to_pylist()
            return reweighing(records.targets, group_names(values, self.config.data.bins.get(column, ())))
        if balance.name != "weighted_sampler":
            return None
        return class_weights(records.targets, len(self.config.data.classes))[records.targets]

    def train_dataloader(self) -> DataLoader[Batch]:
        records = self.splits["train"]
        lengths = self.lengths(records) if self.by_length else None
        rows = BatchRows(
            len(records),
            self.config.trainer.batch_size,
            shuffle_seed=self.config.seed,
            weights=records.weights,
            lengths=lengths,
        )
        return self._loader("train", rows)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def _loader(self, split: SplitName, rows: BatchRows | None = None) -> DataLoader[Batch]:
        records = self.splits[split]
        rows = rows or BatchRows(len(records), self.config.trainer.batch_size)
        # The sampler yields whole batches, so `batch_size=None`; one process, since there is nothing to overlap. A
        # generator of its own, since a loader draws a number that it does not need from the global one.
        return RecordsLoader(
            records, sampler=rows, batch_size=None, num_workers=0, generator=torch.Generator(), collate_fn=_as_it_is
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment training batches where they are going to be used, on the device."""
        if not (self.trainer and self.trainer.training and self.config.augment.name != "none"):
            return batch
        random = torch.Generator(batch.targets.device).manual_seed(batch.seed)
        return self.augment(batch, random)


def _as_it_is(batch: Any) -> Any:
    return batch


def build_data(config: Config, root: Path) -> RecordsModule:
    """The DataModule of the config's modality; generation has its own, `data/<modality>/generation.py`."""
    modality = config.data.modality
    if config.data.problem == "generation":
        module = importlib.import_module(f"lightloop.data.{modality}.generation")
        generation: RecordsModule = module.GenerationModule(config, root)
        return generation
    module = importlib.import_module(f"lightloop.data.{modality}.module")
    data: RecordsModule = getattr(module, f"{modality.capitalize()}Module")(config, root)
    return data
