"""Callbacks of the trainer: exact resumption, history, progress where there is no terminal."""

from typing import Any

import pytorch_lightning as pl
import torch


class ReseedEachEpoch(pl.Callback):
    """Set torch's generator from seed and epoch when an epoch starts.

    Dropout and augmentation then depend on seed and epoch alone: a run that was interrupted and continued from the
    last whole epoch draws what the uninterrupted run would have drawn.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        torch.manual_seed(self.seed * 1_000_003 + trainer.current_epoch)


class History(pl.Callback):
    """A row an epoch: losses, metrics, rate. Part of the checkpoint, so that a resumed run keeps the early rows.

    It reads `train_loss` and `train_metrics` of the task, and what the task logged under "validation/".
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task: Any = pl_module
        task.flush()
        row: dict[str, float] = {"epoch": trainer.current_epoch, "train_loss": float(task.train_loss.compute())}
        validation = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("validation/")}
        # The task's own metrics and not what it logged, which at this point is the epoch before.
        for name, value in (task.train_metrics.compute() | validation).items():
            row[name.replace("/", "_")] = float(value)
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append(row)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


class EpochLines(pl.Callback):
    """One line an epoch, for output that is no terminal (CI logs, files)."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        found = {
            name.removeprefix("validation/"): value
            for name, value in trainer.callback_metrics.items()
            if "validation/" in name
        }
        figures = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
        print(f"  epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: validation {figures}", flush=True)
