"""train: fit the network on the training split, keep the checkpoint with the lowest validation loss."""

import logging
import tempfile
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import WandbLogger

from lightloop.errors import LightloopError
from lightloop.files import replacing, write_json
from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.data import read_table, split
from lightloop.template.minimal.loop.network import TableModule
from lightloop.template.minimal.loop.paths import Project
from lightloop.template.minimal.loop.task import Classification
from lightloop.template.minimal.loop.tracking import tracked


class History(Callback):
    """What was logged in each epoch."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        logged = {name: round(float(value), 6) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch, **logged})


def train(config: Config, project: Project) -> None:
    """Train as the config says; write checkpoint and history.

    Raises:
        LightloopError: the loss became infinite or not a number.
    """
    quiet()
    pl.seed_everything(config.seed, verbose=False)
    table = read_table(project.root / config.data.path, config.data)
    data = TableModule(split(table, config.data, config.seed), config)
    network = {
        "numbers": len(config.data.numbers),
        "sizes": data.preprocessor.sizes,
        **config.network.model_dump(),
    }
    task = Classification(network, config.trainer.lr)
    history = History()
    with tempfile.TemporaryDirectory() as scratch, tracked(config, project, "train") as run:
        best = ModelCheckpoint(scratch, monitor="validation_loss", save_top_k=1, save_weights_only=True)
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=config.trainer.max_epochs,
            deterministic=True,
            callbacks=[
                best,
                history,
                EarlyStopping("validation_loss", patience=config.trainer.patience, check_finite=True),
            ],
            logger=WandbLogger(experiment=run) if run is not None else False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(task, data)
        if not best.best_model_path or not all(row["train_loss"] < float("inf") for row in history.rows):
            raise LightloopError("the loss is no number any more: give trainer.lr a smaller value")
        weights = torch.load(best.best_model_path, weights_only=True)["state_dict"]
        save_checkpoint(project.checkpoint, task, weights, data)
    write_json(project.history, history.rows)
    print(f"trained {len(history.rows)} epochs, validation loss {float(best.best_model_score or 0):.4f}")


def save_checkpoint(path: Path, task: Classification, weights: dict[str, torch.Tensor], data: TableModule) -> None:
    """Weights, what the network was built with, and the preprocessing: nothing that changes from run to run."""
    network = {name: value for name, value in weights.items() if name.startswith("network.")}
    content = {
        "weights": {name.removeprefix("network."): value for name, value in network.items()},
        "network": dict(task.hparams["network"]),
        "preprocessor": data.preprocessor.to_dict(),
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)


def quiet() -> None:
    """Silence what Lightning says of itself."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
