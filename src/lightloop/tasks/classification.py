"""Choosing one class of several.

Shapes: B batch, K classes.
"""

from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.tasks.checkpoint import CONFIG_KEY
from lightloop.tasks.optimize import build_optimizer, build_schedule


class Classification(pl.LightningModule):
    """A classifier: cross-entropy with label smoothing on preprocessed records.

    The preprocessing is part of the module, so that a checkpoint needs nothing else to answer raw records.

    Args:
        config: of the run; read are `optimizer` and `scheduler`.
        network: answers logits (B, K) for preprocessed records.
        preprocessor: fitted; turns raw records into what the network takes.
        channels_last: whether image batches are laid out for it (see `training.speed`).
        label_smoothing: share of the target that is spread over all classes.
    """

    problem: ClassVar = "classification"

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        preprocessor: nn.Module,
        channels_last: bool,
        *,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.preprocessor = preprocessor
        self.channels_last = channels_last
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        classes = len(config.data.classes)
        accuracy = MulticlassAccuracy(classes, average="micro")
        # In training one metric, since each costs time at every step; what is chosen by is measured on validation.
        self.train_metrics = MetricCollection({"accuracy": accuracy}, prefix="train/")
        self.train_loss = MeanMetric()
        self.validation_metrics = MetricCollection(
            {"accuracy": accuracy.clone(), "f1": MulticlassF1Score(classes, average="macro")}, prefix="validation/"
        )

    def forward(self, records: Tensor) -> Tensor:
        """Logits (B, K) of raw records."""
        prepared = self.preprocessor(records)
        if self.channels_last:
            prepared = prepared.contiguous(memory_format=torch.channels_last)
        logits_BK: Tensor = self.network(prepared)
        return logits_BK

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[CONFIG_KEY] = self.config.model_dump(mode="json")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        records, labels_B = batch
        logits_BK = self(records).float()
        loss: Tensor = self.loss(logits_BK, labels_B)
        if not torch.isfinite(loss):
            raise LightloopError(
                f"the training loss became {loss.item()} in epoch {self.current_epoch}, step {batch_idx}: lower "
                f"optimizer.lr (now {self.config.optimizer.lr}) or set trainer.gradient_clip_val"
            )
        # Updated here, computed once an epoch: computing at each step halves a small network's speed.
        self.train_metrics.update(logits_BK.detach(), labels_B)
        self.train_loss.update(loss.detach(), weight=len(labels_B))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.trainer.global_step % self.config.trainer.log_every_n_steps == 0:
            self.log("train/loss", outputs["loss"])

    def on_train_epoch_end(self) -> None:
        self.log_dict(self.train_metrics.compute() | {"train/loss_epoch": self.train_loss.compute()})
        self.train_metrics.reset()
        self.train_loss.reset()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        records, labels_B = batch
        logits_BK = self(records).float()
        self.log("validation/loss", self.loss(logits_BK, labels_B), batch_size=len(labels_B), prog_bar=True)
        self.validation_metrics.update(logits_BK, labels_B)

    def on_validation_epoch_end(self) -> None:
        metrics = self.validation_metrics.compute()
        self.log_dict(metrics)
        self.log("accuracy", metrics["validation/accuracy"], prog_bar=True, logger=False)
        self.validation_metrics.reset()

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(self.network, self.config.optimizer)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = build_schedule(optimizer, self.config.scheduler, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
