"""A network that is trained for real on a small table, in about a second."""

from pathlib import Path

import pyarrow as pa
import torch
from tables import ORDERS, SMALL_COLUMNS, config_of, small_frame, spec_of

from lightloop.config.schema import Config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.splits import SplitName, read_splits
from lightloop.data.targets import encode_targets
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, build_network
from lightloop.tasks.losses import build_loss

STEPS = 120


def small_table(project: Project, root: Path, records: int = 400, **columns: object) -> Config:
    """The config of a small table whose classes follow from its columns."""
    spec = spec_of(root, small_frame(records), SMALL_COLUMNS | columns, orders=ORDERS)
    overrides = ("network=mlp", "network.hidden=[16]", "preprocess=tabular", "explain.records=12", "tracking=none")
    return config_of(project, spec, *overrides)


def trained(config: Config, train: pa.Table) -> Model:
    """A model of these records, by full batches and Adam."""
    preprocessor = build_preprocessor(config)
    preprocessor.fit(train)
    torch.manual_seed(0)
    network = build_network(config, preprocessor.inputs)
    features = preprocessor(*preprocessor.encode(train))
    loss, targets = build_loss(config.loss), encode_targets(train, config.data)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(network(*features), targets).backward()
        optimizer.step()
    return Model(config, preprocessor.eval(), network.eval())


def splits_of(config: Config, root: Path) -> dict[SplitName, pa.Table]:
    return read_splits(config.data, root, 0)
