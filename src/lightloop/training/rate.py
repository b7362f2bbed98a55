"""The learning-rate finder."""

import copy
import logging
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.tuner.tuning import Tuner

from lightloop.errors import UsageError

STEPS = 100
LOW, HIGH = 1e-6, 1.0


def find_rate(task: Any, data: pl.LightningDataModule, settings: dict[str, Any], seed: int) -> float:
    """The rate at which the loss falls fastest while the rate grows from 1e-6 to 1 over 100 steps (arXiv:1506.01186).

    Args:
        task: with a fresh network; it is left as it is.
        data: set up.
        settings: of the trainer: accelerator, precision and where it may write.
        seed: of what the steps draw.

    Raises:
        UsageError: the task has several optimizers, or the loss falls nowhere.
    """
    if not task.automatic_optimization:
        raise UsageError("trainer.lr_find is for one optimizer, and this task has several: set trainer.lr_find=false")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.manual_seed(seed)
    trainer = pl.Trainer(
        **settings,
        max_epochs=STEPS,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    finder = Tuner(trainer).lr_find(
        copy.deepcopy(task), datamodule=data, min_lr=LOW, max_lr=HIGH, num_training=STEPS, update_attr=False
    )
    found = finder.suggestion() if finder else None
    if found is None:
        raise UsageError(
            "trainer.lr_find found no rate at which the loss falls: set optimizer.lr, and trainer.lr_find=false"
        )
    return float(f"{found:.3g}")
