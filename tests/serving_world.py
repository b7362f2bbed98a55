"""Bundles with all that the release stage puts into them: golden records, novelty, ranges."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from trained_table import small_table, splits_of, trained

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.splits import SplitName, read_splits
from lightloop.data.targets import encode_targets
from lightloop.project import Project
from lightloop.release.bundle import write_bundle
from lightloop.tasks.checkpoint import Model, build_network
from lightloop.tasks.losses import build_loss


@dataclass(frozen=True)
class World:
    """A model, its splits and its bundle."""

    model: Model
    splits: dict[SplitName, pa.Table]
    bundle: Path


def table_world(project: Project, root: Path) -> World:
    """A network that was trained on a small table."""
    config = small_table(project, root)
    splits = splits_of(config, root)
    return written(trained(config, splits["train"]), splits, root / "bundle")


def fresh_world(project: Project, folder: Path, experiment: str, *overrides: str, steps: int = 0) -> World:
    """A network with fresh weights, or after some steps of Adam on 200 records, on the repository's own data."""
    config = compose_config(project, (f"experiment={experiment}", "tracking=none", *overrides))
    splits = read_splits(config.data, project.root, config.seed)
    model = fresh(config, splits["train"])
    if steps:
        teach(model, splits["train"], steps)
    return written(model, splits, folder)


def teach(model: Model, train: pa.Table, steps: int) -> None:
    """Enough that it does not give all records the same class."""
    some = train.take(np.random.default_rng(0).permutation(len(train))[:200])
    with torch.no_grad():
        features = model.preprocessor(*model.preprocessor.encode(some))
    loss, targets = build_loss(model.config.loss), encode_targets(some, model.config.data)
    optimizer = torch.optim.Adam(model.network.parameters(), lr=0.005)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model.network(*features), targets).backward()
        optimizer.step()


def fresh(config: Config, train: pa.Table) -> Model:
    preprocessor = build_preprocessor(config)
    preprocessor.fit(train)
    torch.manual_seed(0)
    network = build_network(config, preprocessor.inputs)
    for parameter in network.parameters():
        parameter.data.mul_(1.5)
    return Model(config, preprocessor.eval(), network.eval())


def written(model: Model, splits: dict[SplitName, pa.Table], folder: Path) -> World:
    write_bundle(model, folder, data_version="0123" * 8 + ".dir", **splits)
    return World(model, splits, folder)
