"""What the network learns: binary classification, as a LightningModule with metrics of torchmetrics."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC

from lightloop.template.minimal.loop.network import MLP, Batch


class Classification(pl.LightningModule):
    """Fits a network to labels 0 and 1. The checkpoint holds all it needs to be built again.

    Args:
        network: arguments of `MLP`.
        lr: of AdamW, at the peak of the one-cycle schedule.
    """

    def __init__(self, network: dict[str, Any], lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = MLP(**network)
        self.lr = lr
        self.accuracy = BinaryAccuracy()
        self.auroc = BinaryAUROC()

    def forward(self, numbers_BF: Tensor, codes_BC: Tensor) -> Tensor:
        logits_B: Tensor = self.network(numbers_BF, codes_BC)
        return logits_B

    def training_step(self, batch: Batch, _: int) -> Tensor:
        numbers_BF, codes_BC, label_B = batch
        loss = binary_cross_entropy_with_logits(self(numbers_BF, codes_BC), label_B.float())
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        numbers_BF, codes_BC, label_B = batch
        logits_B = self(numbers_BF, codes_BC)
        self.accuracy(logits_B, label_B)
        self.auroc(logits_B, label_B)
        self.log("validation_loss", binary_cross_entropy_with_logits(logits_B, label_B.float()))
        self.log("validation_accuracy", self.accuracy)
        self.log("validation_auroc", self.auroc)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
