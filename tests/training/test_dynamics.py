"""How each record was learned, against what the training itself says of its epochs, and after a resumption."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import pytorch_lightning as pl
import torch
from small_project import SMALL
from small_training import small_training, tiny

from lightloop.config.compose import compose_config
from lightloop.data.batches import BatchRows
from lightloop.data.module import build_data
from lightloop.training.dynamics import Dynamics, watch, write_dynamics
from lightloop.training.member import DYNAMICS, train_member


class StoppedError(RuntimeError):
    """No exception of ours: nothing may tidy up after it."""


class Stop(pl.Callback):
    """Stop before a batch, as if the power failed."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.at = (epoch, batch)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.at:
            raise StoppedError("no current")


class Watch(Dynamics):
    """Told of the records when training begins, since `small_training` chooses them."""

    def __init__(self):
        super().__init__(torch.zeros(0, dtype=torch.int64), 10)

    def on_train_start(self, trainer, pl_module):
        if len(self.targets):
            return
        self.targets = trainer.datamodule.splits["train"].targets
        if not self.sums_4N.shape[1]:
            self.sums_4N = torch.zeros(4, len(self.targets), dtype=torch.float64)


def test_right_answers_are_those_that_the_history_counts(images, config, tmp_path):
    watched = Watch()
    trained = small_training(tiny(config), images.root, tmp_path, [watched])
    _, _, right_N, times_N = watched.sums_4N
    history = [row["train_accuracy"] for row in trained.fitted.history]
    assert (times_N == len(history)).all()
    assert (right_N / times_N).mean().item() == pytest.approx(np.mean(history), abs=1e-6)
    # Mean log probability bounds the mean of the loss from below (Jensen); equality would need constant p.
    mean_N = watched.sums_4N[0] / times_N
    assert ((mean_N > 0) & (mean_N < 1)).all()
    assert -mean_N.log().mean() <= np.mean([row["train_loss"] for row in trained.fitted.history]) + 1e-6


@pytest.mark.parametrize(("epoch", "batch"), [(0, 1), (1, 0), (1, 2), (2, 1)])
def test_a_training_that_was_interrupted_leaves_the_same_sums(images, config, tmp_path, epoch, batch):
    chosen = tiny(config, trainer={"checkpoint_every_n_steps": 2})
    whole, resumed = Watch(), Watch()
    small_training(chosen, images.root, tmp_path / "whole", [whole])
    with pytest.raises(StoppedError, match="no current"):
        small_training(chosen, images.root, tmp_path / "scratch", [Watch(), Stop(epoch, batch)])
    small_training(chosen, images.root, tmp_path / "scratch", [resumed])
    assert torch.equal(whole.sums_4N, resumed.sums_4N)
    assert (whole.sums_4N[3] == 3).all()


def test_the_watched_weights_are_the_unwatched_ones(images, config, tmp_path):
    plain = small_training(tiny(config), images.root, tmp_path / "plain")
    watched = small_training(tiny(config), images.root, tmp_path / "watched", [Watch()])
    assert all(torch.equal(plain.state[name], value) for name, value in watched.state.items())


@pytest.mark.parametrize("balance", ["none", "oversample", "weighted_sampler"])
def test_there_is_a_row_a_record_whatever_balance_does(project, tmp_path, balance):
    config = compose_config(project, [*SMALL, f"balance={balance}", "trainer.max_epochs=1"])
    train_member(config, project, scratch=tmp_path / "scratch", lines=False, watched=True)
    data = build_data(config, project.root)
    data.setup()
    table = pq.read_table(tmp_path / "scratch" / DYNAMICS)
    assert table["id"].to_pylist() == data.tables["train"]["id"].to_pylist()
    times = np.array(table["times"].to_pylist())
    assert times.sum() == len(data.splits["train"])
    if balance == "none":
        assert (times == 1).all()
    if balance == "weighted_sampler":
        drawn = torch.cat(
            BatchRows(
                len(data.splits["train"]), 50, shuffle_seed=config.seed, weights=data._chances(data.splits["train"])
            ).batches()
        )
        assert times.tolist() == torch.bincount(drawn, minlength=len(times)).tolist()
        assert table["mean"].null_count == (times == 0).sum() > 0
    p, d = (table[name].drop_null().to_numpy() for name in ("mean", "deviation"))
    assert ((p > 0) & (p < 1) & (d[: len(p)] >= 0)).all()


def test_numbers_and_debugging_are_not_watched(repository, config, tmp_path):
    numbers = compose_config(repository, ["experiment=co2"])
    assert watch(numbers, None) is None
    assert watch(compose_config(repository, ["debug=overfit"]), None) is None
    write_dynamics(tmp_path / "x.parquet", None, None)
    assert len(pq.read_table(tmp_path / "x.parquet")) == 0
    assert isinstance(tmp_path, Path)
