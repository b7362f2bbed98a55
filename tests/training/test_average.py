"""Averages of weights against recursions by hand, and that they are what is validated and kept."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from small_training import small_training, tiny
from torch import nn
from torch.optim.swa_utils import update_bn

from lightloop.config.schema import Config
from lightloop.project import Project
from lightloop.training.average import measure_norms


class Record(pl.Callback):
    """The network's own state after each step and at the end of each epoch's steps."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []
        self.epochs: list[dict[str, torch.Tensor]] = []
        self.validated: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps.append({key: value.clone() for key, value in pl_module.network.state_dict().items()})
        if batch_idx + 1 == trainer.num_training_batches:
            self.epochs.append(self.steps[-1])

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if batch_idx == 0:
            self.validated.append({key: value.clone() for key, value in pl_module.network.state_dict().items()})


class Spread(nn.Module):
    """A network that takes its inputs as one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return self.network(*features)


def floats(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if value.is_floating_point()}


def test_ema_is_the_recursion_by_hand(images: Project, config: Config, tmp_path: Path):
    record = Record()
    chosen = tiny(config, average={"name": "ema", "decay": 0.8})
    trained = small_training(chosen, images.root, tmp_path, [record])
    average = {key: value.double() for key, value in floats(record.steps[0]).items()}
    by_epoch = []
    for count, state in enumerate(record.steps[1:], start=1):
        decay = min(0.8, (1 + count) / (10 + count))
        average = {key: decay * value + (1 - decay) * state[key].double() for key, value in average.items()}
        if (count + 1) % 3 == 0:
            by_epoch.append(average)
    assert len(by_epoch) == 3
    for expected, validated in zip(by_epoch, record.validated, strict=True):
        for key, value in expected.items():
            torch.testing.assert_close(validated[key].double(), value, rtol=1e-5, atol=1e-6)
    kept = by_epoch[trained.fitted.best_epoch]
    for key, value in kept.items():
        torch.testing.assert_close(trained.state[f"network.{key}"].double(), value, rtol=1e-5, atol=1e-6)
    counted = [value.item() for key, value in trained.state.items() if key.endswith("num_batches_tracked")]
    assert set(counted) == {3 * (trained.fitted.best_epoch + 1)}


def test_swa_is_the_mean_of_epochs_with_norms_measured_anew(images: Project, config: Config, tmp_path: Path):
    record = Record()
    chosen = tiny(
        config,
        average={"name": "swa", "start": 0.5},
        scheduler={"name": "constant"},
        trainer={"max_epochs": 4, "patience": 1},
    )
    trained = small_training(chosen, images.root, tmp_path, [record])
    assert len(trained.fitted.history) == 4, "patience counts from the first average on"
    assert trained.fitted.best_epoch >= 2, "what is kept is an average"
    for key, value in floats(record.epochs[0]).items():
        assert torch.equal(record.validated[0][key], value), "before the average the weights themselves"
    weights = [key for key, _ in trained.task.network.named_parameters()]
    for epoch, parts in ((2, record.epochs[2:3]), (3, record.epochs[2:4])):
        for key in weights:
            mean = torch.stack([part[key].double() for part in parts]).mean(0)
            torch.testing.assert_close(record.validated[epoch][key].double(), mean, rtol=1e-5, atol=1e-6)
    # torch's own way to measure them, on the kept weights.
    network = trained.task.network
    network.load_state_dict({key: trained.state[f"network.{key}"] for key in network.state_dict()})
    chunks = zip(*(one.split(20) for one in trained.data.splits["train"].inputs), strict=True)
    update_bn([[trained.data.preprocessor(*chunk)] for chunk in chunks], Spread(network))
    for key, value in network.state_dict().items():
        if "running" in key:
            torch.testing.assert_close(trained.state[f"network.{key}"], value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_an_average_beats_what_jumps_about(images: Project, config: Config, tmp_path: Path):
    losses = {}
    for name, settings in (("none", {"name": "none"}), ("ema", {"name": "ema", "decay": 0.95})):
        chosen = tiny(
            config,
            average=settings,
            scheduler={"name": "constant"},
            optimizer={"name": "sgd", "lr": 0.15, "momentum": 0.0},
            trainer={"max_epochs": 12, "batch_size": 10},
        )
        history = small_training(chosen, images.root, tmp_path / name).fitted.history
        losses[name] = [row["validation_loss"] for row in history][-4:]
    spread = {name: max(values) - min(values) for name, values in losses.items()}
    assert spread["ema"] < spread["none"]


def test_frozen_norms_keep_their_statistics():
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen, self.free = nn.BatchNorm1d(2), nn.BatchNorm1d(2)

        def train(self, mode: bool = True):
            super().train(mode)
            self.frozen.eval()
            return self

        def forward(self, x):
            return self.free(self.frozen(x))

    module = Half().eval()
    module.frozen.running_mean.fill_(3.0)
    x = torch.randn(40, 2)
    measure_norms(module, iter([(x[:20],), (x[20:],)]))
    assert torch.equal(module.frozen.running_mean, torch.full((2,), 3.0))
    seen = module.frozen(x)
    torch.testing.assert_close(module.free.running_mean, seen.mean(0))
    assert module.free.momentum == 0.1
    assert not module.training


def test_config_says_when_nothing_can_be_averaged(config: Config):
    with pytest.raises(ValueError, match="less than 1"):
        tiny(config, average={"name": "swa", "start": 1.0})
