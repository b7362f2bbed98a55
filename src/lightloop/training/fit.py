"""Fitting a task with Lightning: early stopping, best checkpoint, exact resumption."""

import logging
import math
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.profilers import SimpleProfiler
from torch import nn

from lightloop.config.schema import Config
from lightloop.config.training import NoAverage, Profile
from lightloop.data.module import RecordsModule
from lightloop.errors import LightloopError
from lightloop.files import read_json, write_json
from lightloop.tasks.checkpoint import CONFIG_KEY, FILES_KEY, save_tensors
from lightloop.tasks.supervised import Supervised
from lightloop.training.average import Averaging, first_epoch
from lightloop.training.callbacks import EpochLines, History, Patience, Resumable, Steps, Thaw
from lightloop.training.debug import limits, overfit
from lightloop.training.rate import find_rate
from lightloop.training.speed import Speed

LAST = "last.ckpt"
RATE = "rate.json"
BAD_BATCH = "nan-batch.pt"
MONITOR = "validation/loss"


@dataclass(frozen=True)
class Fitted:
    """What came of a training.

    Attributes:
        best: the checkpoint with the lowest validation loss.
        best_epoch: its epoch, counted from 0.
        history: a row an epoch.
        notes: what was found or switched on, for the summary: `lr_found`, `average`, `debug`.
    """

    best: Path
    best_epoch: int
    history: list[dict[str, float]]
    notes: dict[str, Any] = field(default_factory=dict)


def fit(
    config: Config,
    task: pl.LightningModule,
    data: RecordsModule,
    speed: Speed,
    *,
    scratch: Path,
    logger: Any,
    callbacks: Sequence[pl.Callback] = (),
    lines: bool = True,
    bad_batch: Path | None = None,
) -> Fitted:
    """Train `task` on `data`; continue from `scratch` when an interrupted training left its last state there.

    Args:
        config: of the run; read are `trainer`, `average`, `debug` and `seed`.
        task: with a fresh network; its `train_metrics` are part of the history.
        data: set up.
        speed: precision and memory layout.
        scratch: folder for the checkpoints of this training. The caller gives another one for another config, data
            or code, and removes it when the result is stored.
        logger: of Lightning, or False.
        callbacks: more of them, after our own.
        lines: show a line or a bar an epoch.
        bad_batch: where to write the batch whose loss is no number; by default into `scratch`.

    Raises:
        LightloopError: the loss became infinite or not a number.
        UsageError: the trainer's settings do not fit the network or the task.
    """
    # Lightning's notes on devices and its tips for other products; warnings still come through.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    settings, network = config.trainer, task.network
    assert isinstance(network, nn.Module)
    if speed.channels_last:
        network.to(memory_format=torch.channels_last)
    overfit(config, data)
    weights_K = data.class_weights()
    if weights_K is not None and isinstance(task, Supervised):
        task.weigh(weights_K)

    # A task may say what it is chosen by; lower is better.
    monitor = getattr(task, "monitor", MONITOR)
    history, steps = History(), Steps()
    best = ModelCheckpoint(
        dirpath=scratch, filename="best", monitor=monitor, save_on_train_epoch_end=True, enable_version_counter=False
    )
    ours = [history, steps, *_switched_on(config, data, monitor), *_progress(lines), *callbacks]
    saving = [best, Resumable(scratch / LAST, settings.checkpoint_every_n_steps)]
    profiler = SimpleProfiler() if isinstance(config.debug, Profile) else None
    with _quiet(), _deterministic(settings.deterministic):
        device = {"accelerator": settings.accelerator, "devices": 1, "precision": speed.precision}
        notes = _notes(config) | _find_rate(config, task, data, device, scratch)
        if settings.compile:
            network.compile()
        switches: dict[str, Any] = {
            **device,
            "max_epochs": settings.max_epochs,
            **_steps_of(config, task),
            **limits(config.debug, _batches(data, "train"), _batches(data, "validation")),
        }
        trainer = pl.Trainer(
            **switches,
            deterministic=settings.deterministic or None,
            detect_anomaly=settings.detect_anomaly,
            profiler=profiler,
            logger=logger,
            log_every_n_steps=settings.log_every_n_steps,
            callbacks=[*ours, *saving],
            enable_progress_bar=lines and sys.stderr.isatty(),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=scratch,
        )
        with _naming_the_batch(steps, trainer, bad_batch or scratch / BAD_BATCH):
            last = scratch / LAST
            trainer.fit(task, datamodule=data, ckpt_path=last if last.exists() else None, weights_only=True)
    if profiler:
        print(profiler.summary(), flush=True)
    best_path = Path(best.best_model_path)
    content = torch.load(best_path, map_location="cpu", weights_only=True)
    return Fitted(best_path, int(content["epoch"]), history.rows, notes)


def _batches(data: RecordsModule, split: Literal["train", "validation"]) -> int:
    return math.ceil(len(data.splits[split]) / data.config.trainer.batch_size)


def _steps_of(config: Config, task: pl.LightningModule) -> dict[str, Any]:
    """What happens between batches and steps; a task that drives its optimizers itself sees to that itself."""
    if not task.automatic_optimization:
        return {}
    return {
        "accumulate_grad_batches": config.trainer.accumulate_grad_batches,
        "gradient_clip_val": config.trainer.gradient_clip_val,
        "gradient_clip_algorithm": config.trainer.gradient_clip_algorithm,
    }


def store(best: Path, target: Path, config: Config) -> None:
    """Write the checkpoint that is kept: weights, preprocessing state and config, without the optimizer's state."""
    content = torch.load(best, map_location="cpu", weights_only=True)
    state = {key: value.contiguous() for key, value in content["state_dict"].items()}
    kept = {"state_dict": state, CONFIG_KEY: config.model_dump(mode="json"), FILES_KEY: content[FILES_KEY]}
    save_tensors(kept, target)


def start_over(scratch: Path) -> None:
    """Forget an interrupted training."""
    shutil.rmtree(scratch, ignore_errors=True)


def _switched_on(config: Config, data: RecordsModule, monitor: str) -> list[pl.Callback]:
    """What the config asks for beyond plain training. Averages come before what saves them."""
    chosen: list[pl.Callback] = []
    if config.trainer.freeze:
        chosen.append(Thaw(config.trainer.freeze, config.trainer.unfreeze_every))
    if not isinstance(config.average, NoAverage):
        epochs, batch_size = config.trainer.max_epochs, config.trainer.batch_size
        chosen.append(Averaging(config.average, epochs, data.splits["train"], batch_size))
    since = first_epoch(config.average, config.trainer.max_epochs)
    return [*chosen, Patience(monitor, config.trainer.patience, since)]


def _progress(lines: bool) -> list[pl.Callback]:
    """A bar on a terminal, else a line an epoch. Refreshing the bar at each step would cost a small network 5 %."""
    if not lines:
        return []
    return [TQDMProgressBar(refresh_rate=20)] if sys.stderr.isatty() else [EpochLines()]


def _notes(config: Config) -> dict[str, Any]:
    """Switches that a reader of the summary must know of."""
    return {
        name: group.name
        for name, group in (("average", config.average), ("debug", config.debug))
        if group.name != "none"
    }


def _find_rate(config: Config, task: Any, data: RecordsModule, device: dict[str, Any], scratch: Path) -> dict[str, Any]:
    """Search the rate where the config asks for it, once for a training, and give it to the task."""
    if not config.trainer.lr_find:
        return {}
    remembered = scratch / RATE
    if not remembered.exists():
        rate = find_rate(task, data, {**device, "default_root_dir": scratch}, config.seed)
        write_json(remembered, {"lr_found": rate})
    found: dict[str, Any] = read_json(remembered)
    task.rate = found["lr_found"]
    return found


@contextmanager
def _naming_the_batch(steps: Steps, trainer: pl.Trainer, path: Path) -> Iterator[None]:
    """Save the batch of a step whose loss or gradient was no number, and say so in the error."""
    try:
        yield
    except (LightloopError, RuntimeError) as error:
        # The second is what torch says under trainer.detect_anomaly.
        at_fault = isinstance(error, LightloopError) or "returned nan values" in str(error)
        if not at_fault or not steps.save(path, trainer.current_epoch):
            raise
        message = str(error) if isinstance(error, LightloopError) else f"a gradient became nan: {error}"
        raise LightloopError(f"{message}; the batch is in {path}") from None


@contextmanager
def _deterministic(asked: bool) -> Iterator[None]:
    """Lightning switches torch's own check on for the whole process: switch it off again."""
    before = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        if asked:
            torch.use_deterministic_algorithms(before)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # Records lie in memory and batches are made by indexing: worker processes would only cost.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        # Batch norms of frozen parts rest on purpose.
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        # Short trainings log at the end of each epoch all the same.
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        yield
