"""A small project for generation: 300 + 100 images of 8 by 8 pixels, networks of a few channels."""

from pathlib import Path

from small_project import make_project

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.project import Project

TINY = (
    "experiment=fashion-gan",
    "tracking=none",
    "data.size=[8,8]",
    "network.latent=8",
    "network.channels=[16,8]",
    "task.discriminator_channels=[16,16]",
    "optimizer.lr=0.003",
    "task.discriminator_lr=0.003",
    "trainer.batch_size=50",
    "trainer.max_epochs=2",
    "trainer.precision='32'",
    "gate.resamples=100",
    "explain.records=5",
)


def tiny_project(root: Path) -> Project:
    return make_project(root)


def tiny_config(project: Project, *overrides: str) -> Config:
    return compose_config(project, [*TINY, *overrides])
