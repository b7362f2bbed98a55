"""Trainings of a tiny network on 60 real records, in memory: a second or less each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from lightloop.config.schema import Config
from lightloop.config.signature import components
from lightloop.data.module import RecordsModule, build_data
from lightloop.tasks.checkpoint import build_network
from lightloop.tasks.supervised import Supervised
from lightloop.training.fit import Fitted, fit
from lightloop.training.speed import Speed

TRAIN, VALIDATION = 60, 20
SPEED = Speed("32-true", False, "a test")


@dataclass
class Trained:
    """What is left of a training."""

    fitted: Fitted
    task: Supervised
    data: RecordsModule
    state: dict[str, torch.Tensor]


def changed(config: Config, **groups: dict[str, Any]) -> Config:
    """A config with other values; a group that says its `name` is replaced, another is updated. No Hydra: fast."""
    raw = config.model_dump(mode="json")
    for group, values in groups.items():
        raw[group] = values if "name" in values else raw[group] | values
    return Config.model_validate(raw)


# Widths of the network that the defaults choose, so that it has some thousand parameters.
WIDTHS = {"cnn": {"channels": (8, 12)}, "mlp": {"hidden": (12,)}, "embedding_bag": {"width": 8}}


def tiny(config: Config, **groups: dict[str, Any]) -> Config:
    """A config of three epochs of three batches of 20 records, for a network of 1,400 parameters."""
    base = {
        "network": WIDTHS.get(config.network.name, {}) | {"dropout": 0.1},
        "trainer": {"max_epochs": 3, "batch_size": 20, "precision": "32", "patience": 50} | groups.pop("trainer", {}),
        "augment": {"name": "none"},
        "loss": {"name": "cross_entropy"},
        "optimizer": {"name": "adamw", "lr": 0.01},
    }
    return changed(config, **(base | groups))


def few(data: RecordsModule) -> RecordsModule:
    """Leave 60 records for training and 20 for validation, of all classes."""
    for split, count in (("train", TRAIN), ("validation", VALIDATION)):
        records = data.splits[split]
        rows = torch.arange(0, len(records), max(1, len(records) // count))[:count]
        data.splits[split] = records.take(rows)
    return data


def small_training(config: Config, root: Path, scratch: Path, callbacks: Sequence[pl.Callback] = ()) -> Trained:
    """Train as the config says, with `training.fit`, from the records of the project at `root`."""
    data = build_data(config, root)
    data.setup()
    few(data)
    torch.manual_seed(config.seed)
    network = build_network(config, data.preprocessor.inputs)
    build = components("tasks")[config.task.name].load()
    task = build(config, network, data.preprocessor, SPEED.channels_last, **config.task.arguments())
    fitted = fit(config, task, data, SPEED, scratch=scratch, logger=False, callbacks=callbacks, lines=False)
    content = torch.load(fitted.best, weights_only=True)
    return Trained(fitted, task, data, content["state_dict"])
