"""A training that was stopped at any step goes on to the same bytes."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from gan_world import tiny_config, tiny_project
from killing import MEMBER, assert_equal, killed_and_whole
from several_heads import make_described, several
from small_training import Trained, small_training, tiny

from lightloop.config.schema import Config
from lightloop.project import Project

SETTINGS = {
    "sgd": {"optimizer": {"name": "sgd", "lr": 0.05}},
    "adamw with ema": {"average": {"name": "ema", "decay": 0.9}},
    "swa": {"average": {"name": "swa", "start": 0.4}, "scheduler": {"name": "constant"}},
    "accumulation": {"trainer": {"accumulate_grad_batches": 2, "checkpoint_every_n_steps": 1}},
    "plateau": {
        "scheduler": {"name": "plateau", "patience": 0, "warmup": 0.3},
        "optimizer": {"name": "adam", "lr": 0.1},
    },
    "augmented": {"augment": {"name": "image", "flip": True, "shift": 2}},
}


class UnpluggedError(RuntimeError):
    """No exception of ours: nothing may tidy up after it."""


class Unplug(pl.Callback):
    """Stop before a batch, as if the power failed; note which batches were trained on."""

    def __init__(self, epoch: int = -1, batch: int = -1) -> None:
        self.at = (epoch, batch)
        self.trained: list[tuple[int, int]] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.at:
            raise UnpluggedError("no current")
        self.trained.append((trainer.current_epoch, batch_idx))


def settings(config: Config, name: str) -> Config:
    groups = dict(SETTINGS[name])
    trainer = {"max_epochs": 4, "batch_size": 10, "checkpoint_every_n_steps": 2} | groups.pop("trainer", {})
    return tiny(config, trainer=trainer, **groups)


def assert_same(resumed: Trained, whole: Trained) -> None:
    assert resumed.fitted.history == whole.fitted.history
    assert resumed.fitted.best_epoch == whole.fitted.best_epoch
    assert resumed.state.keys() == whole.state.keys()
    assert [key for key, value in whole.state.items() if not torch.equal(value, resumed.state[key])] == []
    for ours, theirs in zip(resumed.task.parameters(), whole.task.parameters(), strict=True):
        assert torch.equal(ours, theirs)


# Six batches an epoch; with a state saved every second step, batch 5 is lost and trained again.
@pytest.mark.parametrize(("name", "epoch", "batch"), [
    ("sgd", 0, 1), ("sgd", 1, 0), ("adamw with ema", 1, 5), *(
        pytest.param(name, epoch, batch, marks=pytest.mark.slow)
        for name, epoch, batch in (("swa", 2, 3), ("accumulation", 1, 3), ("plateau", 3, 4), ("augmented", 2, 3))
    ),
])  # fmt: skip
def test_it_goes_on_in_the_middle_of_an_epoch(
    images: Project, config: Config, tmp_path: Path, name: str, epoch: int, batch: int
):
    chosen = settings(config, name)
    whole = small_training(chosen, images.root, tmp_path / "whole")
    with pytest.raises(UnpluggedError, match="no current"):
        small_training(chosen, images.root, tmp_path / "scratch", [Unplug(epoch, batch)])
    watched = Unplug()
    assert_same(small_training(chosen, images.root, tmp_path / "scratch", [watched]), whole)
    steps_lost = 6 * epoch + batch - (6 * watched.trained[0][0] + watched.trained[0][1])
    assert steps_lost <= 2, "at most what was done since a state was saved"
    assert len(watched.trained) == len(set(watched.trained)) == 24 - (6 * epoch + batch) + steps_lost


def test_a_training_that_had_ended_early_does_not_go_on(images: Project, config: Config, tmp_path: Path):
    chosen = tiny(
        config,
        trainer={"max_epochs": 30, "patience": 1},
        optimizer={"name": "sgd", "lr": 0.3},
        scheduler={"name": "constant"},
    )
    whole = small_training(chosen, images.root, tmp_path / "scratch")
    assert len(whole.fitted.history) < 30
    watched = Unplug()
    assert_same(small_training(chosen, images.root, tmp_path / "scratch", [watched]), whole)
    assert watched.trained == []


def test_a_large_seed_is_a_seed(images: Project, config: Config, tmp_path: Path):
    chosen = tiny(config, trainer={"max_epochs": 1}, augment=config.augment.model_dump(mode="json"))
    trained = small_training(chosen.model_copy(update={"seed": 2**31 - 1}), images.root, tmp_path)
    assert len(trained.fitted.history) == 1


SCRIPT = """
import sys, yaml
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_training import small_training
from lightloop.config.compose import validate_config
import torch
config = validate_config(yaml.safe_load(Path(sys.argv[2]).read_text()))
torch.set_num_threads(1)
trained = small_training(config, Path(sys.argv[3]), Path(sys.argv[4]))
torch.save({"state": trained.state, "history": trained.fitted.history}, sys.argv[5])
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_killed_at_random_moments_it_ends_the_same(images: Project, config: Config, tmp_path: Path, name: str):
    """Killed as by the kernel, again and again, also while a state is being written."""
    chosen = settings(config, name)
    chosen = chosen.model_copy(update={"trainer": chosen.trainer.model_copy(update={"max_epochs": 25})})
    assert_equal(*killed_and_whole(SCRIPT, chosen, images, tmp_path))


@pytest.mark.slow
def test_a_generator_that_was_killed_ends_the_same(tmp_path: Path):
    project = tiny_project(tmp_path / "project")
    overrides = ("trainer.max_epochs=25", "trainer.patience=25", "trainer.checkpoint_every_n_steps=2")
    chosen = tiny_config(project, "task.penalty=r1", *overrides)
    assert_equal(*killed_and_whole(MEMBER, chosen, project, tmp_path))


@pytest.mark.slow
def test_several_heads_that_were_killed_end_the_same(config: Config, tmp_path: Path):
    project = make_described(tmp_path / "project")
    chosen = several(config, trainer={"max_epochs": 25, "batch_size": 10, "checkpoint_every_n_steps": 2})
    assert_equal(*killed_and_whole(MEMBER, chosen, project, tmp_path))
