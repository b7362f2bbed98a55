"""Averages of weights over the training, which are what is validated, kept and released.

Shapes: N records.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, WeightAveraging
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from lightloop.config.training import EMA, SWA, AnyAverage
from lightloop.data.batches import EncodedRecords, Rows


class Averaging(WeightAveraging):
    """Lightning's weight averaging, by the config's rule.

    Beyond Lightning's: until the average has begun, the weights of the last step are validated and kept, not those that
    the training began with; an epoch's average includes its last weights when it is validated; numbers that are no
    floats are copied, since a mean would truncate them.

    Args:
        rule: EMA averages after each step of the optimizer, SWA at the end of each epoch from `rule.start` on.
        epochs: of the whole training.
        train: the training records, with which batch norms are measured anew for SWA.
        batch_size: of that.
    """

    def __init__(self, rule: EMA | SWA, epochs: int, train: EncodedRecords, batch_size: int) -> None:
        super().__init__(use_buffers=True, multi_avg_fn=_ema(rule.decay) if isinstance(rule, EMA) else _swa)
        self.each_step = isinstance(rule, EMA)
        self.first_epoch = first_epoch(rule, epochs)
        self.train = train
        self.batch_size = batch_size

    @property
    def begun(self) -> bool:
        """Whether there is an average yet."""
        return self._average_model is not None and bool(self._average_model.n_averaged > 0)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return self.each_step and step_idx is not None

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert self._average_model is not None
        due = not self.each_step and trainer.current_epoch >= self.first_epoch
        if due:
            if not self.begun:
                _forget(trainer)
            self._average_model.update_parameters(pl_module)
        if self.begun:
            self._swap_models(pl_module)
            if due:
                batches = self._batches(pl_module.device)
                measure_norms(pl_module, batches, trainer.precision_plugin.val_step_context())

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.begun:
            self._swap_models(pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.begun:
            self._copy_average_to_current(pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.begun:
            super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if "averaging_state" in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def _batches(self, device: torch.device) -> Iterator[tuple[Tensor, ...]]:
        for rows in torch.arange(len(self.train)).split(self.batch_size):
            yield tuple(part.to(device) for part in self.train[Rows(rows, 0)].inputs)


def first_epoch(rule: AnyAverage, epochs: int) -> int:
    """The epoch at whose end there is an average, of which alone the best is kept."""
    return int(rule.start * epochs) if isinstance(rule, SWA) else 0


@torch.no_grad()
def measure_norms(
    module: torch.nn.Module,
    batches: Iterator[tuple[Tensor, ...]],
    context: AbstractContextManager[Any] | None = None,
) -> None:
    """Set the statistics of a module's batch norms to the means over batches; frozen ones keep theirs.

    As torch's `update_bn`, which takes one tensor a batch alone and forgets the statistics of frozen norms as well.
    """
    was_training = module.training
    module.train()
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    momenta = [norm.momentum for norm in norms]
    if norms:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
        with context or nullcontext():
            for batch in batches:
                module(*batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.train(was_training)


def _ema(decay: float) -> Any:
    def update(averaged: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
        if not averaged[0].is_floating_point():
            return _copy(averaged, current)
        # As in Tarvainen and Valpola (arXiv:1703.01780) and TensorFlow's moving average.
        count = int(updates)
        return get_ema_multi_avg_fn(min(decay, (1 + count) / (10 + count)))(averaged, current, updates)

    return update


def _swa(averaged: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
    if averaged[0].is_floating_point():
        get_swa_multi_avg_fn()(averaged, current, updates)
    else:
        _copy(averaged, current)


def _copy(averaged: list[Tensor], current: list[Tensor]) -> None:
    for target, source in zip(averaged, current, strict=True):
        target.copy_(source)


def _forget(trainer: Any) -> None:
    """Let an average not compete with what was validated before it: it is the average that is asked for."""
    for callback in trainer.callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor:
            callback.best_k_models = {}
            callback.best_model_score = callback.kth_value = torch.tensor(torch.inf)
            callback.best_model_path = callback.kth_best_model_path = ""
