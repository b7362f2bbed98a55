"""A training that is taken up again goes on in its run of Weights & Biases."""

from pathlib import Path

import pytest

from lightloop.config.compose import compose_config
from lightloop.project import Project
from lightloop.tracking import close_run
from lightloop.training.logger import open_training_run


def test_a_resumed_training_has_the_same_run(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = compose_config(project, ["tracking=wandb"])
    ids = []
    for scratch in (tmp_path / "one", tmp_path / "one", tmp_path / "two"):
        run = open_training_run(config, project, scratch)
        assert run is not None
        ids.append(run.id)
        close_run(run)
    assert ids[0] == ids[1] != ids[2]


def test_without_tracking_nothing_is_remembered(project: Project, tmp_path: Path):
    assert open_training_run(compose_config(project, ["tracking=none"]), project, tmp_path / "scratch") is None
    assert not (tmp_path / "scratch").exists()
