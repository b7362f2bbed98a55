"""Fitting a task with Lightning: early stopping, best checkpoint, exact resumption."""

import logging
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar

from lightloop.config.schema import Config
from lightloop.files import replacing
from lightloop.tasks.checkpoint import CONFIG_KEY, FILES_KEY
from lightloop.training.callbacks import EpochLines, History, ReseedEachEpoch
from lightloop.training.speed import Speed

LAST = "last.ckpt"
MONITOR = "validation/loss"


@dataclass(frozen=True)
class Fitted:
    """What came of a training.

    Attributes:
        best: the checkpoint with the lowest validation loss.
        best_epoch: its epoch, counted from 0.
        history: a row an epoch.
    """

    best: Path
    best_epoch: int
    history: list[dict[str, float]]


def fit(
    config: Config,
    task: pl.LightningModule,
    data: pl.LightningDataModule,
    speed: Speed,
    *,
    scratch: Path,
    logger: Any,
) -> Fitted:
    """Train `task` on `data`; continue from `scratch` when an interrupted training left its last epoch there.

    Args:
        config: of the run; read are `trainer` and `seed`.
        task: with a fresh network; its `train_metrics` are part of the history.
        data: set up.
        speed: precision and memory layout.
        scratch: folder for the checkpoints of this training. The caller gives another one for another config, data
            or code, and removes it when the result is stored.
        logger: of Lightning, or False.

    Raises:
        LightloopError: the loss became infinite or not a number.
    """
    # Lightning's notes on devices and its tips for other products; warnings still come through.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    history = History()
    best = ModelCheckpoint(
        dirpath=scratch,
        filename="best",
        monitor=MONITOR,
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    trainer = pl.Trainer(
        max_epochs=config.trainer.max_epochs,
        precision=speed.precision,  # type: ignore[arg-type]
        accelerator=config.trainer.accelerator,
        devices=1,
        gradient_clip_val=config.trainer.gradient_clip_val,
        logger=logger,
        log_every_n_steps=config.trainer.log_every_n_steps,
        callbacks=[history, ReseedEachEpoch(config.seed), best, *_stopping(config), *_progress(), *_rates(logger)],
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=scratch,
    )
    if speed.channels_last:
        task.network.to(memory_format=torch.channels_last)
    last = scratch / LAST
    with warnings.catch_warnings():
        # Records lie in memory and batches are made by indexing: worker processes would only cost.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        trainer.fit(task, datamodule=data, ckpt_path=last if last.exists() else None, weights_only=True)
    best_path = Path(best.best_model_path)
    content = torch.load(best_path, map_location="cpu", weights_only=True)
    return Fitted(best_path, int(content["epoch"]), history.rows)


def store(best: Path, target: Path, config: Config) -> None:
    """Write the checkpoint that is kept: weights, preprocessing state and config, without the optimizer's state."""
    content = torch.load(best, map_location="cpu", weights_only=True)
    state = {key: value.contiguous() for key, value in content["state_dict"].items()}
    kept = {"state_dict": state, CONFIG_KEY: config.model_dump(mode="json"), FILES_KEY: content[FILES_KEY]}
    with replacing(target) as temporary:
        torch.save(kept, temporary)


def start_over(scratch: Path) -> None:
    """Forget an interrupted training."""
    shutil.rmtree(scratch, ignore_errors=True)


def _stopping(config: Config) -> list[pl.Callback]:
    return [EarlyStopping(MONITOR, patience=config.trainer.patience, check_on_train_epoch_end=True)]


def _progress() -> list[pl.Callback]:
    """A bar on a terminal, else a line an epoch. Refreshing the bar at each step would cost a small network 5 %."""
    return [TQDMProgressBar(refresh_rate=20)] if sys.stderr.isatty() else [EpochLines()]


def _rates(logger: Any) -> list[pl.Callback]:
    return [LearningRateMonitor("step")] if logger else []
