"""A real bundle of each modality in a few seconds: fresh networks, fitted preprocessing, calibrated, complete."""

from pathlib import Path

import torch
from gan_world import tiny_config
from small_project import make_project
from standing import with_data

from lightloop.calibration.answers import fitted
from lightloop.calibration.rules import read_calibration
from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.splits import read_splits
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.release.bundle import write_bundle
from lightloop.tasks.checkpoint import Model, build_network

SMALL = {
    "fashion": ("network.channels=[4,6]",),
    "loans": (),
    "co2": (),
    "spam": (),
    "fashion-gan": (),
}


def small_bundle(name: str, root: Path) -> Path:
    """The folder of a bundle of the experiment `name`, in a new project at `root`."""
    project = make_project(root)
    config = _config(name, project)
    splits = read_splits(config.data, project.root, config.seed)
    preprocessor = build_preprocessor(config)
    preprocessor.fit(splits["train"])
    torch.manual_seed(0)
    network = build_network(config, preprocessor.inputs)
    for parameter in network.parameters():
        # Answers that differ, as those of a trained network do.
        parameter.data.mul_(1.5)
    model = Model(config, preprocessor.eval(), network.eval())
    if config.data.problem != "generation":
        validation = splits["validation"]
        write_json(project.calibration, fitted(config, validation, model.answers(validation)))
        model = Model(config, model.preprocessor, model.network, read_calibration(project.calibration))
    write_bundle(model, project.bundle, data_version=None, train=splits["train"], validation=splits["validation"])
    return project.bundle


def _config(name: str, project: Project) -> Config:
    if name == "fashion":
        return compose_config(project, [*SMALL[name], "tracking=none"])
    if name == "fashion-gan":
        return tiny_config(project)
    return with_data(project, name, *SMALL[name])
