"""Small real records and rulers to measure with."""

import pytest
from standing import stand, with_data

from lightloop.audit.scoring import Ruler
from lightloop.config.audit import Audit
from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.tasks.checkpoint import load_model

SMALL = {
    "name": "quick",
    "records": 60,
    "resamples": 100,
    "attack_records": 20,
    "attack_steps": 4,
    "epsilons": (0.05, 0.5),
    "label_records": None,
    "label_folds": 2,
    "suspects": 5,
    "shares": (0.3, 0.6),
    "seeds": 1,
    "learning_epochs": 1,
    "ages": (0.0, 0.3),
}


def small_audit(config: Config, **settings) -> Config:
    """The config with a small audit."""
    return config.model_copy(update={"audit": Audit(**(SMALL | settings))})


def ruler_of(config: Config, **settings) -> Ruler:
    config = small_audit(config, **settings)
    return Ruler.of(config, config.audit)


@pytest.fixture
def standing(project):
    """A function that gives a model with fresh weights, the splits and a ruler, of a small part of a data set."""

    def make(name: str, *overrides: str):
        config = compose_config(project, [f"experiment={name}", "gate.resamples=100", *overrides])
        if config.data.modality != "image":
            config = with_data(project, name, *overrides)
        stand(config, project)
        splits = read_splits(config.data, project.root, config.seed)
        return load_model(project.checkpoint), splits, ruler_of(config)

    return make
