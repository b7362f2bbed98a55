"""Callbacks of the trainer: exact resumption, freezing, history, progress where there is no terminal."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping

from lightloop.data.batches import Batch, RecordsLoader
from lightloop.errors import UsageError
from lightloop.files import replacing
from lightloop.networks._transfer import freeze, rest_frozen_norms
from lightloop.tasks.checkpoint import save_tensors
from lightloop.tasks.supervised import seed_step


class Steps(pl.Callback):
    """Before each step, set torch's generator by the batch's seed, and remember the batch.

    What a step draws (dropout) then depends on the run's seed, the epoch and the batch's number alone: a training that
    was interrupted draws the same when it goes on. The batch is there to be saved when its loss is no number.
    """

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self.number = 0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self.batch, self.number = batch, batch_idx
        seed_step(batch, pl_module.device)

    def save(self, path: Path, epoch: int) -> bool:
        """Write the batch of the last step, loadable with `weights_only`; False when there was none."""
        if self.batch is None:
            return False
        content = self.batch._asdict() | {"epoch": epoch, "step": self.number}
        save_tensors(content, path)
        return True


class Resumable(Checkpoint):
    """Keep the whole state of the training in one file: at the end of each epoch, and every so many optimizer steps.

    Never between two steps of the optimizer, where gradients would be lost. The file is replaced when it is whole.
    Beside what Lightning saves, it keeps where the data stand and what the task's `train_metrics` and `train_loss` have
    counted.

    Args:
        path: of the file.
        every: optimizer steps; None saves at the end of each epoch alone.
    """

    def __init__(self, path: Path, every: int | None) -> None:
        self.path = path
        self.every = every
        self._step = 0
        self._loader: RecordsLoader | None = None
        self._task: Any = None
        self._saved: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._step = trainer.global_step
        self._task = pl_module
        assert isinstance(trainer.train_dataloader, RecordsLoader)
        self._loader = trainer.train_dataloader
        # Lightning loads the state of loaders before they are there when the length of the training was asked for
        # (2.6.6: `estimated_stepping_batches` sets the loaders up, and `setup_data` then returns at once).
        if self._saved:
            self._loader.load_state_dict(self._saved["data"])
            for name, counted in self._saved["metrics"].items():
                getattr(pl_module, name).load_state_dict(counted)
                getattr(pl_module, name).to(pl_module.device)

    def state_dict(self) -> dict[str, Any]:
        if self._loader is None:
            return {}
        self._task.flush()
        metrics = {name: _counted(getattr(self._task, name)) for name in ("train_metrics", "train_loss")}
        return {"data": self._loader.state_dict(), "metrics": metrics}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saved = state_dict

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stepped = trainer.global_step != self._step
        self._step = trainer.global_step
        # After the last batch comes the validation, then the end of the epoch.
        last = batch_idx + 1 >= trainer.num_training_batches
        if self.every and stepped and not last and self._step % self.every == 0:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        with replacing(self.path) as temporary:
            trainer.save_checkpoint(temporary)


class Patience(EarlyStopping):
    """Early stopping that counts from an epoch on, and knows, when a training is taken up again, that it had ended.

    Args:
        monitor: the metric.
        patience: epochs without a lower value.
        since: the first epoch that counts.
    """

    def __init__(self, monitor: str, patience: int, since: int = 0) -> None:
        super().__init__(monitor, patience=patience, check_on_train_epoch_end=True)
        self.since = since

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch >= self.since:
            super().on_train_epoch_end(trainer, pl_module)


class Thaw(pl.Callback):
    """Freeze parts of the network, and free them again one after the other, the last one first.

    What is frozen depends on the epoch alone. Batch norms of frozen parts keep their statistics.

    Args:
        parts: beginnings of names of parameters, in the order of the network.
        every: epochs until the next part is freed; None never does.

    Raises:
        UsageError: by `on_train_start`, the network has no such part.
    """

    def __init__(self, parts: tuple[str, ...], every: int | None) -> None:
        self.parts = parts
        self.every = every

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._apply(pl_module, trainer.current_epoch)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._apply(pl_module, trainer.current_epoch)

    def _apply(self, task: Any, epoch: int) -> None:
        network: torch.nn.Module = task.network
        freed = epoch // self.every if self.every else 0
        frozen = self.parts[: max(0, len(self.parts) - freed)]
        for name, parameter in network.named_parameters():
            if any(name == part or name.startswith(f"{part}.") for part in self.parts):
                parameter.requires_grad_(True)
        network.train()
        try:
            freeze(network, frozen)
        except ValueError as error:
            raise UsageError(f"trainer.{error}") from None
        rest_frozen_norms(network)


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


def _counted(metric: Any) -> dict[str, Any]:
    """What a metric has counted. It is kept out of the module's own state, which is the model's."""
    metric.persistent(mode=True)
    state = dict(metric.state_dict())
    metric.persistent(mode=False)
    return state
