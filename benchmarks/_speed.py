"""What the benchmarks of training speed share: our training with everything on, and the clock around it."""

import tempfile
import time
from pathlib import Path

import pytorch_lightning as pl
import torch

from lightloop.config.schema import Config
from lightloop.config.signature import components
from lightloop.data.module import RecordsModule
from lightloop.project import Project
from lightloop.tasks.checkpoint import build_network
from lightloop.tracking import close_run, open_run
from lightloop.training.fit import fit
from lightloop.training.logger import wandb_logger
from lightloop.training.speed import Speed


class TrainingTime(pl.Callback):
    """Seconds of the epochs after the first, without validation."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._mark = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        now = time.perf_counter()
        if trainer.current_epoch > 1:
            self.seconds += now - self._mark
        self._mark = now

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._pause = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._mark += time.perf_counter() - self._pause

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds += time.perf_counter() - self._mark


def ours(config: Config, data: RecordsModule, speed: Speed) -> float:
    """Records a second of `training.fit` after its first epoch, with logging (W&B, offline), metrics, checkpoints."""
    torch.manual_seed(config.seed)
    build = components("tasks")[config.task.name].load()
    task = build(
        config,
        build_network(config, data.preprocessor.inputs),
        data.preprocessor,
        speed.channels_last,
        **config.task.arguments(),
    )
    clock = TrainingTime()
    task.configure_callbacks = lambda: [clock]
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(config, Project(Path(folder)), job="train")
        fit(config, task, data, speed, scratch=Path(folder) / "checkpoints", logger=wandb_logger(run), lines=False)
        close_run(run)
    return (config.trainer.max_epochs - 1) * len(data.splits["train"]) / clock.seconds
