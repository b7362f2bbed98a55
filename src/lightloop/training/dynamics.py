"""How each training record was learned: the probability of its class over the epochs, from the batches themselves.

No pass is made for it: what the network answered in training, dropout and augmentation included, is kept until the end
of the epoch and then summed up by record.

Shapes: N records, B batch, O outputs, K classes.
Source: Swayamdipta et al. 2020, Dataset Cartography, arXiv:2009.10795.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytorch_lightning as pl
import torch
from torch import Tensor

from lightloop.config.schema import Config
from lightloop.data.balance import resampled_rows
from lightloop.data.batches import Batch, BatchRows, RecordsLoader
from lightloop.data.module import RecordsModule
from lightloop.data.targets import encode_targets
from lightloop.evaluation.evidence import write_table
from lightloop.files import replacing
from lightloop.tasks.supervised import Supervised

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.string()),
        ("mean", pa.float64()),  # of the probability of the label; null where the record was never drawn
        ("deviation", pa.float64()),  # over the times that it was drawn
        ("right", pa.float64()),  # share of these times that the label was the most probable class
        ("times", pa.int64()),  # one an epoch, but where balance repeats records
    ]
)


class Dynamics(pl.Callback):
    """Sums up, for each training record, the probability that the network gave to its label.

    Its state is part of the checkpoint: a training that was interrupted ends with the same sums.

    Args:
        targets: the class of each record (N,), in the order of the loader's records.
        classes: K.
    """

    def __init__(self, targets: Tensor, classes: int) -> None:
        self.targets = targets
        self.classes = classes
        # Sums over the times that a record was drawn: of p, of its square, of right answers, of the times.
        self.sums_4N = torch.zeros(4, len(targets), dtype=torch.float64)
        self._epoch = -1
        self._batches: list[Tensor] = []
        self._pending: list[tuple[Tensor, Tensor]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Supervised)
        # Not at the start of the epoch, which a training that goes on in the middle of one does not come by.
        if self._epoch != trainer.current_epoch:
            loader = trainer.train_dataloader
            assert isinstance(loader, RecordsLoader)
            assert isinstance(loader.sampler, BatchRows)
            self._epoch, self._batches = trainer.current_epoch, loader.sampler.batches()
        self._pending.append((self._batches[batch_idx], pl_module.last_outputs))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._sum()

    def state_dict(self) -> dict[str, Any]:
        self._sum()
        return {"sums": self.sums_4N}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.sums_4N = state_dict["sums"].clone()

    def _sum(self) -> None:
        if not self._pending:
            return
        rows_N, outputs_NO = (torch.cat([part.cpu() for part in parts]) for parts in zip(*self._pending, strict=True))
        self._pending.clear()
        p_NK = outputs_NO[:, : self.classes].double().softmax(1)
        targets_N = self.targets[rows_N]
        p_N = p_NK.gather(1, targets_N[:, None])[:, 0]
        right_N = (p_NK.argmax(1) == targets_N).double()
        self.sums_4N.index_add_(1, rows_N, torch.stack([p_N, p_N.square(), right_N, torch.ones_like(p_N)]))


def watch(config: Config, data: RecordsModule) -> Dynamics | None:
    """The callback for a training of classes; None where there is no class, or debugging changes the records."""
    if config.data.problem != "classification" or config.debug.name != "none":
        return None
    return Dynamics(data.splits["train"].targets, len(config.data.classes))


def keep_dynamics(source: Path, target: Path) -> None:
    """Copy what was watched to where it is handed over; no row where nothing was, as of an ensemble's members."""
    if not source.exists():
        write_table(target, SCHEMA.empty_table())
        return
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def write_dynamics(path: Path, dynamics: Dynamics | None, data: RecordsModule) -> None:
    """Write what was watched, a row a training record, also of those that balance left out; else no row."""
    if dynamics is None:
        write_table(path, SCHEMA.empty_table())
        return
    table, config = data.tables["train"], data.config
    sums_4N = dynamics.sums_4N
    if config.balance.name in ("oversample", "undersample"):
        rows = resampled_rows(encode_targets(table, config.data), config.balance.name, config.seed)
        sums_4N = torch.zeros(4, len(table), dtype=torch.float64).index_add_(1, torch.as_tensor(rows), sums_4N)
    p_N, square_N, right_N, times_N = sums_4N.numpy()
    with np.errstate(invalid="ignore"):
        mean_N = p_N / times_N
        deviation_N = np.sqrt(np.maximum(square_N / times_N - np.square(mean_N), 0.0))
        right_N = right_N / times_N
    columns = [table["id"], table["label"]]
    columns += [pa.array(part, pa.float64(), from_pandas=True) for part in (mean_N, deviation_N, right_N)]
    write_table(path, pa.table([*columns, pa.array(times_N.astype(np.int64))], schema=SCHEMA))
