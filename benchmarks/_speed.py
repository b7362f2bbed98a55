"""What the benchmarks of training speed share: our training with everything on, and the clock around it."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytorch_lightning as pl
import torch

from lightloop.config.schema import Config
from lightloop.config.signature import components
from lightloop.data.batches import Batch, BatchRows
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


def batches(config: Config, data: RecordsModule) -> BatchRows:
    """The batches that ours takes."""
    records = data.splits["train"]
    lengths = data.lengths(records) if data.by_length else None
    return BatchRows(len(records), config.trainer.batch_size, shuffle_seed=config.seed, lengths=lengths)


def epochs(config: Config, data: RecordsModule) -> Iterator[tuple[int, Batch]]:
    """All batches of a training with the number of their epoch, augmented as the config says."""
    records, rows = data.splits["train"], batches(config, data)
    for epoch in range(config.trainer.max_epochs):
        rows.set_epoch(epoch)
        for chosen in rows:
            batch = records[chosen]
            if config.augment.name != "none":
                random = torch.Generator().manual_seed(batch.seed)
                batch = data.augment(batch, random)
            yield epoch, batch


def timed(config: Config, data: RecordsModule, step: Callable[[Batch], None]) -> float:
    """Records a second of a step over all batches of the epochs after the first."""
    started = 0.0
    for epoch, batch in epochs(config, data):
        if epoch == 1 and not started:
            started = time.perf_counter()
        step(batch)
    return (config.trainer.max_epochs - 1) * len(data.splits["train"]) / (time.perf_counter() - started)
