"""What all tasks with a target have in common: step, loss, metrics, optimizer.

Shapes: B batch, O outputs, K classes.
"""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric, MetricCollection

from lightloop.config.schema import Config
from lightloop.config.training import LBFGS
from lightloop.data.batches import Batch
from lightloop.data.preprocessor import Preprocessor
from lightloop.errors import LightloopError
from lightloop.tasks.checkpoint import checkpoint_extras
from lightloop.tasks.losses import build_loss
from lightloop.tasks.optimize import build_optimizer, build_plateau, build_schedule, penalty

# Steps between two updates of the training metrics: updating at each step would cost a small network 2 %.
FLUSH = 50
# The place in a checkpoint of the state of a plateau schedule.
PLATEAU = "lightloop_plateau"


class Supervised(pl.LightningModule, ABC):
    """A network with its loss, optimizer, schedule and metrics; one subclass a problem.

    The preprocessing is part of the module, so that a checkpoint needs nothing else to answer raw records.

    Args:
        config: of the run; read are `loss`, `optimizer`, `scheduler` and `trainer`.
        network: answers outputs (B, O) for preprocessed records.
        preprocessor: fitted; turns encoded records into what the network takes.
        channels_last: whether image batches are laid out for it (see `training.speed`).

    Attributes:
        loss: the config's; called with outputs and targets.
        rate: the optimizer's, which the learning-rate finder may set.
    """

    def __init__(self, config: Config, network: nn.Module, preprocessor: Preprocessor, channels_last: bool) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.preprocessor = preprocessor
        self.channels_last = channels_last
        self.loss = build_loss(config.loss)
        self.rate = config.optimizer.lr
        train, validation = self.metrics()
        # Groups of metrics that share states can't be saved in the middle of an epoch.
        self.train_metrics = MetricCollection(train, prefix="train/", compute_groups=False)
        self.validation_metrics = MetricCollection(validation, prefix="validation/")
        self.train_loss = MeanMetric()
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []
        self._penalised = config.trainer.l1 > 0 or config.trainer.l2 > 0
        # L-BFGS evaluates a batch several times in a step.
        self._repeats = isinstance(config.optimizer, LBFGS)
        self._step = -1
        self._plateau: ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None

    @abstractmethod
    def metrics(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The torchmetrics of training and of validation, by name. In training few, since each costs time."""

    @abstractmethod
    def update(self, metrics: MetricCollection, outputs_BO: Tensor, targets: Tensor) -> None:
        """Update metrics with outputs and targets."""

    def loss_of(self, outputs_BO: Tensor, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar."""
        loss: Tensor = self.loss(outputs_BO, batch.targets)
        return loss

    def weigh(self, class_weights_K: Tensor) -> None:
        """From now on let a record of each class count so much in the loss.

        Raises:
            UsageError: the loss cannot weigh classes.
        """
        self.loss = build_loss(self.config.loss, class_weights_K)

    def forward(self, *encoded: Tensor) -> Tensor:
        """Outputs (B, O), float32, in the target's units, of encoded records."""
        prepared = self.preprocessor(*encoded)
        if self.channels_last:
            prepared = tuple(
                part.contiguous(memory_format=torch.channels_last) if part.ndim == 4 else part for part in prepared
            )
        outputs_BO: Tensor = self.network(*prepared).float()
        return self.preprocessor.restore(outputs_BO, *encoded)

    @cached_property
    def _extras(self) -> dict[str, Any]:
        # Once a training: writing what scikit-learn fitted takes longer than an epoch of a small table.
        return checkpoint_extras(self.config, self.preprocessor)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint |= self._extras
        checkpoint[PLATEAU] = self._plateau.state_dict() if self._plateau else None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._plateau_state = checkpoint[PLATEAU]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        again = self._repeats and batch_idx == self._step
        self._step = batch_idx
        if again:
            # The same dropout in each evaluation, and one entry in the metrics.
            seed_step(batch, self.device)
            self._pending.pop()
        elif len(self._pending) >= FLUSH:
            self.flush()
        outputs_BO = self(*batch.inputs)
        loss = self.loss_of(outputs_BO, batch)
        self._pending.append((outputs_BO.detach(), batch.targets, loss.detach()))
        if self._penalised:
            loss = loss + penalty(list(self.network.parameters()), self.config.trainer.l1, self.config.trainer.l2)
        if not torch.isfinite(loss):
            raise LightloopError(
                f"the training loss became {loss.item()} in epoch {self.current_epoch}, step {batch_idx}: lower "
                f"optimizer.lr (now {self.rate}) or set trainer.gradient_clip_val"
            )
        return loss

    @property
    def last_outputs(self) -> Tensor:
        """What the network answered in the last training step, (B, O)."""
        return self._pending[-1][0]

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
        trainer = self.trainer
        if trainer.global_step % self.config.trainer.log_every_n_steps == 0:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            self.log_dict({"train/loss": outputs["loss"] * trainer.accumulate_grad_batches, "lr": rate})

    def on_train_epoch_end(self) -> None:
        self.flush()
        self.log_dict(self.train_metrics.compute() | {"train/loss_epoch": self.train_loss.compute()})
        self.train_metrics.reset()
        self.train_loss.reset()
        self._step = -1
        if self._plateau:
            self._plateau.step(self.trainer.callback_metrics["validation/loss"])

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
        settings = self.config.optimizer.model_copy(update={"lr": self.rate})
        optimizer = build_optimizer(self.network, settings, self.config.trainer.layer_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = build_schedule(optimizer, self.config.scheduler, steps)
        # Not Lightning's to drive: it would step after the checkpoint of the epoch was written.
        self._plateau = build_plateau(optimizer, self.config.scheduler)
        if self._plateau and self._plateau_state:
            self._plateau.load_state_dict(self._plateau_state)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def seed_step(batch: Batch, device: torch.device) -> None:
    """Set the generators that a step on `device` draws from by the batch's seed.

    Not with `torch.manual_seed`: it also queues a call, with a stack trace, for each kind of device that there is not,
    which took a third of a small network's step.
    """
    # Augmentation has drawn from the seed itself. Of an odd multiple no two are the same.
    seed = batch.seed * 0x9E3779B1 % 2**63
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
