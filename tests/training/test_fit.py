"""Training: repeatable to the bit, resumable to the same weights, stopped when the loss is not a number."""

import re

import pytest
import torch

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.config.training import TrainerConfig
from lightloop.data.module import build_data
from lightloop.errors import LightloopError
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.stages.train import train
from lightloop.tasks.checkpoint import load_model
from lightloop.tasks.classification import Classification
from lightloop.tasks.processor import has_bf16_arithmetic, tune_allocator
from lightloop.training import speed as speed_module
from lightloop.training.speed import choose_speed


@pytest.fixture
def three_epochs(repository: Project) -> Config:
    return compose_config(repository, ["trainer.max_epochs=3", "trainer.batch_size=50"])


def weights(project: Project) -> dict[str, torch.Tensor]:
    return torch.load(project.checkpoint, weights_only=True)["state_dict"]


def test_two_trainings_give_the_same_bytes(project: Project, three_epochs: Config):
    train(three_epochs, project)
    first, history = project.checkpoint.read_bytes(), project.history.read_bytes()
    train(three_epochs, project)
    assert project.checkpoint.read_bytes() == first
    assert project.history.read_bytes() == history


def test_another_seed_gives_other_weights(project: Project, three_epochs: Config, repository: Project):
    train(three_epochs, project)
    first = weights(project)
    train(compose_config(repository, ["trainer.max_epochs=3", "trainer.batch_size=50", "seed=1"]), project)
    assert any(not torch.equal(value, first[key]) for key, value in weights(project).items())


@pytest.mark.parametrize("stop_at", [(0, 3), (1, 0), (2, 5)])
def test_an_interrupted_training_resumes_to_the_same_weights(
    project: Project, three_epochs: Config, monkeypatch: pytest.MonkeyPatch, stop_at: tuple[int, int]
):
    train(three_epochs, project)
    whole, history = project.checkpoint.read_bytes(), read_json(project.history)
    original = Classification.training_step

    def interrupted(self: Classification, batch, batch_idx: int):
        if (self.current_epoch, batch_idx) == stop_at:
            raise RuntimeError("pulled the plug")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Classification, "training_step", interrupted)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        train(three_epochs, project, resume=True)
    assert project.checkpoint.read_bytes() == whole, "a failed training leaves the last good one"
    epochs_run: list[int] = []

    def counted(self: Classification, batch, batch_idx: int):
        epochs_run.append(self.current_epoch)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Classification, "training_step", counted)
    train(three_epochs, project, resume=True)
    assert min(epochs_run) == stop_at[0], "whole epochs are not trained again"
    assert project.checkpoint.read_bytes() == whole
    assert read_json(project.history) == history


def test_without_resume_an_interrupted_training_starts_over(
    project: Project, three_epochs: Config, monkeypatch: pytest.MonkeyPatch
):
    original = Classification.training_step

    def interrupted(self: Classification, batch, batch_idx: int):
        if self.current_epoch == 2:
            raise RuntimeError("pulled the plug")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Classification, "training_step", interrupted)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        train(three_epochs, project)
    monkeypatch.setattr(Classification, "training_step", original)
    train(three_epochs, project)
    assert [row["epoch"] for row in read_json(project.history)] == [0, 1, 2]


def test_a_loss_that_is_not_a_number_is_one_sentence(project: Project, repository: Project):
    config = compose_config(
        repository, ["trainer.max_epochs=2", "trainer.batch_size=50", "optimizer=sgd", "optimizer.lr=1e30"]
    )
    with pytest.raises(
        LightloopError, match=r"training loss became (nan|inf) in epoch 0, step \d: lower optimizer\.lr"
    ):
        train(config, project)
    assert not project.checkpoint.exists()


def test_it_learns(project: Project, repository: Project):
    train(compose_config(repository, ["trainer.max_epochs=12", "trainer.batch_size=25", "augment=none"]), project)
    history = read_json(project.history)
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]
    # of feature: image
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 2
    # end
    assert max(row["validation_accuracy"] for row in history) > 0.5


def test_early_stopping_keeps_the_best_epoch(project: Project, repository: Project):
    overrides = ["trainer.max_epochs=40", "trainer.batch_size=25", "trainer.patience=2", "scheduler=constant"]
    train(compose_config(repository, overrides), project)
    summary, history = read_json(project.training_summary), read_json(project.history)
    losses = [row["validation_loss"] for row in history]
    assert summary["epochs"] == len(history) < 40
    assert summary["best_epoch"] == losses.index(min(losses))


def test_the_checkpoint_needs_nothing_else(project: Project, three_epochs: Config):
    train(three_epochs, project)
    data = build_data(three_epochs, project.root)
    data.setup()
    model = load_model(project.checkpoint)
    assert model.config == three_epochs
    validation = data.splits["validation"]
    for kept, fitted in zip(model.preprocessor(*validation.inputs), data.preprocessor(*validation.inputs), strict=True):
        assert torch.equal(kept, fitted)
    predicted = model.answers(data.tables["validation"])["probabilities"].argmax(1)
    accuracy = (predicted == validation.targets.numpy()).mean()
    best = read_json(project.training_summary)["best_epoch"]
    # The history's value was computed in bf16 where the processor has it.
    assert accuracy == pytest.approx(read_json(project.history)[best]["validation_accuracy"], abs=0.07)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"not a checkpoint", "is not a whole checkpoint"), (None, "is missing: run `lightloop run`")],
)
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, content: bytes | None, sentence: str):
    path = tmp_path / "model.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LightloopError, match=re.escape(sentence)):
        load_model(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(LightloopError, match="was not written by Lightloop"):
        load_model(path)


def trainer(**changes) -> TrainerConfig:
    return TrainerConfig(max_epochs=1, batch_size=1, patience=1, **changes)


@pytest.mark.parametrize("able", [True, False])
def test_auto_follows_the_processor_and_words_win(monkeypatch: pytest.MonkeyPatch, able: bool):
    monkeypatch.setattr(speed_module, "has_bf16_arithmetic", lambda: able)
    auto = choose_speed(trainer())
    assert (auto.precision, auto.channels_last) == (("bf16-mixed", True) if able else ("32-true", False))
    assert choose_speed(trainer(precision="bf16", channels_last=False)).precision == "bf16-mixed"
    assert not choose_speed(trainer(precision="bf16", channels_last=False)).channels_last
    assert choose_speed(trainer(precision="32")).precision == "32-true"


def test_this_machine_can_be_asked():
    assert has_bf16_arithmetic() in {True, False}
    assert tune_allocator() in {True, False}
