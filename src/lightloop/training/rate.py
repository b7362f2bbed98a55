"""The learning-rate finder."""

import copy
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.tuner.tuning import Tuner

from lightloop.errors import UsageError

STEPS = 100
LOW, HIGH = 1e-6, 1.0
# Steps until the mean of the losses says something.
SETTLED = 10


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
    # The first means are of few batches.
    found = steepest(finder.results["lr"][SETTLED:], finder.results["loss"][SETTLED:]) if finder else None
    if found is None:
        raise UsageError(
            "trainer.lr_find found no rate at which the loss falls: set optimizer.lr, and trainer.lr_find=false"
        )
    return float(f"{found:.3g}")


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """The rate at which the loss falls fastest for each doubling of the rate; None where it falls nowhere.

    Lightning's own suggestion (2.6.6) divides by the distance of rates and not of their logarithms, so that the noise
    of the lowest rates decides: it suggested 7e-6 where 1e-2 learns.

    Args:
        rates: rising.
        losses: smoothed, of each rate.

    Examples:
        >>> steepest([1e-4, 1e-3, 1e-2, 1e-1, 1.0], [2.0, 1.9, 1.5, 0.6, 0.9])
        0.01
    """
    known = np.isfinite(losses)
    rates_R, losses_R = np.asarray(rates)[known], np.asarray(losses)[known]
    if len(rates_R) < 2:
        return None
    slopes_R = np.gradient(losses_R, np.log(rates_R))
    place = int(slopes_R.argmin())
    return float(rates_R[place]) if slopes_R[place] < 0 else None
