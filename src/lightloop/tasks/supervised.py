"""What all tasks with a target have in common: step, loss, metrics, optimizer.

Shapes: B batch, O outputs.
"""

from abc import ABC, abstractmethod
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection

from lightloop.config.schema import Config
from lightloop.data.batches import Batch
from lightloop.data.preprocessor import Preprocessor
from lightloop.errors import LightloopError
from lightloop.tasks.checkpoint import checkpoint_extras
from lightloop.tasks.optimize import build_optimizer, build_schedule

# Steps between two updates of the training metrics: updating at each step would cost a small network 2 %.
FLUSH = 50


class Supervised(pl.LightningModule, ABC):
    """A network with its loss, optimizer, schedule and metrics; one subclass a problem.

    The preprocessing is part of the module, so that a checkpoint needs nothing else to answer raw records.

    Args:
        config: of the run; read are `optimizer`, `scheduler` and `trainer`.
        network: answers outputs (B, O) for preprocessed records.
        preprocessor: fitted; turns encoded records into what the network takes.
        channels_last: whether image batches are laid out for it (see `training.speed`).
    """

    def __init__(self, config: Config, network: nn.Module, preprocessor: Preprocessor, channels_last: bool) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.preprocessor = preprocessor
        self.channels_last = channels_last
        train, validation = self.metrics()
        self.train_metrics = MetricCollection(train, prefix="train/")
        self.validation_metrics = MetricCollection(validation, prefix="validation/")
        self.train_loss = MeanMetric()
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []

    @abstractmethod
    def metrics(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The torchmetrics of training and of validation, by name. In training few, since each costs time."""

    @abstractmethod
    def loss_of(self, outputs_BO: Tensor, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar."""

    @abstractmethod
    def update(self, metrics: MetricCollection, outputs_BO: Tensor, targets: Tensor) -> None:
        """Update metrics with outputs and targets."""

    def forward(self, *encoded: Tensor) -> Tensor:
        """Outputs (B, O), float32, in the target's units, of encoded records."""
        prepared = self.preprocessor(*encoded)
        if self.channels_last:
            prepared = tuple(
                part.contiguous(memory_format=torch.channels_last) if part.ndim == 4 else part for part in prepared
            )
        outputs_BO: Tensor = self.network(*prepared).float()
        return self.preprocessor.restore(outputs_BO, *encoded)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint |= checkpoint_extras(self.config, self.preprocessor)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        outputs_BO = self(*batch.inputs)
        loss = self.loss_of(outputs_BO, batch)
        if not torch.isfinite(loss):
            raise LightloopError(
                f"the training loss became {loss.item()} in epoch {self.current_epoch}, step {batch_idx}: lower "
                f"optimizer.lr (now {self.config.optimizer.lr}) or set trainer.gradient_clip_val"
            )
        self._pending.append((outputs_BO.detach(), batch.targets, loss.detach()))
        if len(self._pending) >= FLUSH:
            self.flush()
        return loss

    def flush(self) -> None:
        """Bring the training metrics up to date."""
        if not self._pending:
            return
        outputs, targets, losses = zip(*self._pending, strict=True)
        self._pending.clear()
        self.update(self.train_metrics, torch.cat(outputs), torch.cat(targets))
        sizes = torch.tensor([len(part) for part in targets], device=losses[0].device)
        self.train_loss.update(torch.stack(losses), weight=sizes)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.trainer.global_step % self.config.trainer.log_every_n_steps == 0:
            self.log("train/loss", outputs["loss"])

    def on_train_epoch_end(self) -> None:
        self.flush()
        self.log_dict(self.train_metrics.compute() | {"train/loss_epoch": self.train_loss.compute()})
        self.train_metrics.reset()
        self.train_loss.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        outputs_BO = self(*batch.inputs)
        self.log("validation/loss", self.loss_of(outputs_BO, batch), batch_size=len(batch.targets), prog_bar=True)
        self.update(self.validation_metrics, outputs_BO, batch.targets)

    def on_validation_epoch_end(self) -> None:
        metrics = self.validation_metrics.compute()
        self.log_dict(metrics)
        first = next(iter(metrics))
        self.log(first.removeprefix("validation/"), metrics[first], prog_bar=True, logger=False)
        self.validation_metrics.reset()

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(self.network, self.config.optimizer)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = build_schedule(optimizer, self.config.scheduler, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
