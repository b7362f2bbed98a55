"""Every loss, optimizer, schedule, average and switch trains a real network on real images, and it learns."""

import math
from pathlib import Path

import pytest
import torch
from small_training import changed, small_training, tiny

from lightloop.config.losses import LOSSES
from lightloop.config.schema import Config
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.tasks.optimize import OPTIMIZERS

CUSTOM = {"name": "custom", "target": "torch.nn:CrossEntropyLoss", "arguments": {"label_smoothing": 0.1}}
# Each name at least once; together, since each training costs a second.
TOGETHER = [
    ({"name": "cross_entropy", "label_smoothing": 0.1}, {"name": "sgd", "lr": 0.1}, {"name": "constant"}),
    ({"name": "focal"}, {"name": "adam", "lr": 0.03}, {"name": "step", "drops": 1}),
    ({"name": "hinge"}, {"name": "adamw", "lr": 0.03}, {"name": "cosine", "warmup": 0.1}),
    (CUSTOM, {"name": "rmsprop", "lr": 0.005}, {"name": "one_cycle"}),
    ({"name": "cross_entropy"}, {"name": "adagrad", "lr": 0.05}, {"name": "plateau", "warmup": 0.1}),
    ({"name": "cross_entropy"}, {"name": "torch_optim", "optimizer": "NAdam", "lr": 0.01}, {"name": "constant"}),
    ({"name": "cross_entropy"}, {"name": "lbfgs", "max_iter": 8}, {"name": "constant"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "optimizer", "scheduler"), TOGETHER, ids=lambda group: group["name"])
def test_it_learns_a_batch_by_heart(
    images: Project, config: Config, tmp_path: Path, loss: dict, optimizer: dict, scheduler: dict
):
    chosen = tiny(
        config,
        loss=loss,
        optimizer=optimizer,
        scheduler=scheduler,
        debug={"name": "overfit", "batches": 1},
        network={"dropout": 0.0, "channels": (8, 12)},
        trainer={"max_epochs": 12 if optimizer["name"] == "lbfgs" else 70},
    )
    trained = small_training(chosen, images.root, tmp_path)
    history = trained.fitted.history
    assert len(trained.data.splits["train"]) == 20
    assert history[-1]["train_loss"] < 0.6 * history[0]["train_loss"]
    assert max(row["validation_accuracy"] for row in history) >= 0.8, "the 20 images that it is trained on"


def test_the_list_above_leaves_out_no_name(config: Config):
    for_classes = {name for name, loss in LOSSES.items() if "classification" in loss.problems} - {"binary"}
    assert {loss["name"] for loss, _, _ in TOGETHER} == for_classes
    assert {optimizer["name"] for _, optimizer, _ in TOGETHER} == {*OPTIMIZERS, "torch_optim"}


def test_two_classes_are_learned_with_the_binary_loss(images: Project, config: Config, tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = tmp_path / "two"
    classes = config.data.classes[:2]
    for part in ("train", "test"):
        table = pq.read_table(images.root / f"data/fashion/{part}.parquet")
        keep = pa.array([label in classes for label in table.column("label").to_pylist()])
        (root / "data/fashion").mkdir(parents=True, exist_ok=True)
        pq.write_table(table.filter(keep), root / f"data/fashion/{part}.parquet")
    chosen = tiny(
        changed(config, data={**config.data.model_dump(mode="json"), "classes": classes}, loss={"name": "binary"}),
        loss={"name": "binary"},
        trainer={"max_epochs": 15},
    )
    history = small_training(chosen, root, tmp_path / "scratch").fitted.history
    assert history[-1]["train_loss"] < 0.5 * math.log(2)
    assert max(row["validation_accuracy"] for row in history) > 0.9


def test_a_larger_batch_and_accumulated_batches_are_the_same_step(images: Project, config: Config, tmp_path: Path):
    # No batch norm, no dropout; float64 would be exact, float32 differs in the order of sums alone.
    plain = {"name": "mlp", "hidden": (16,), "dropout": 0.0, "normalisation": "none"}
    ends = []
    for batch_size, accumulate in ((20, 3), (60, 1)):
        chosen = tiny(
            config,
            network=plain,
            explain={"methods": ("integrated_gradients",)},
            optimizer={"name": "sgd", "lr": 0.1, "momentum": 0.9},
            trainer={"batch_size": batch_size, "accumulate_grad_batches": accumulate},
        )
        trained = small_training(chosen, images.root, tmp_path / str(batch_size))
        assert trained.task.trainer.global_step == 3
        ends.append({key: value for key, value in trained.task.state_dict().items() if key.startswith("network")})
    for key, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][key], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_gradients_are_clipped(images: Project, config: Config, tmp_path: Path, algorithm: str):
    # Without momentum a step of SGD is rate times gradient, so that it cannot be longer than the bound allows.
    bound = 0.001
    chosen = tiny(
        config,
        optimizer={"name": "sgd", "lr": 1.0, "momentum": 0.0},
        scheduler={"name": "constant"},
        trainer={"max_epochs": 1, "batch_size": 60, "gradient_clip_val": bound, "gradient_clip_algorithm": algorithm},
    )
    trained = small_training(chosen, images.root, tmp_path)
    torch.manual_seed(chosen.seed)
    from lightloop.tasks.checkpoint import build_network

    start = build_network(chosen, trained.data.preprocessor.inputs)
    moved = [a - b for a, b in zip(trained.task.network.parameters(), start.parameters(), strict=True)]
    lengths = torch.cat([part.flatten() for part in moved]).abs()
    found = lengths.max() if algorithm == "value" else lengths.square().sum().sqrt()
    assert 0.9 * bound < found < 1.01 * bound


@pytest.mark.slow
def test_penalties_make_weights_smaller(images: Project, config: Config, tmp_path: Path):
    def length(**trainer: float) -> float:
        chosen = tiny(config, trainer={"max_epochs": 10, **trainer})
        name = "-".join(trainer) or "none"
        weights = small_training(chosen, images.root, tmp_path / name).task.network.parameters()
        return float(sum(weight.detach().abs().sum() for weight in weights if weight.ndim > 1))

    free = length()
    assert length(l1=0.01) < 0.9 * free
    assert length(l2=0.05) < 0.9 * free
    assert length(l1=0.01, l2=0.05) < 0.9 * free


@pytest.mark.slow
def test_a_rate_is_found_and_used(images: Project, config: Config, tmp_path: Path):
    chosen = tiny(config, scheduler={"name": "constant"}, trainer={"lr_find": True, "max_epochs": 2})
    trained = small_training(chosen, images.root, tmp_path)
    found = trained.fitted.notes["lr_found"]
    assert 1e-5 < found < 1
    assert [row["lr"] for row in trained.fitted.history] == pytest.approx([found, found])
    again = small_training(chosen, images.root, tmp_path / "again")
    assert again.fitted.notes["lr_found"] == found
    assert all(torch.equal(value, again.state[key]) for key, value in trained.state.items())


# of feature: image
def test_frozen_parts_stay_and_are_freed_in_turn(images: Project, config: Config, tmp_path: Path):
    import pytorch_lightning as pl

    seen: list[tuple[bool, bool]] = []

    class Look(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            stages = pl_module.network.stages
            seen.append(tuple(all(p.requires_grad for p in stage.parameters()) for stage in stages))

    chosen = tiny(config, trainer={"freeze": ("stages.0", "stages.1"), "unfreeze_every": 1, "max_epochs": 3})
    trained = small_training(chosen, images.root, tmp_path / "thaw", [Look()])
    assert seen == [(False, False), (False, True), (True, True)]
    assert trained.fitted.history[-1]["train_loss"] < trained.fitted.history[0]["train_loss"]

    frozen = tiny(config, trainer={"freeze": ("stages.0",), "max_epochs": 2})
    state = small_training(frozen, images.root, tmp_path / "frozen").state
    torch.manual_seed(frozen.seed)
    from lightloop.tasks.checkpoint import build_network

    start = build_network(frozen, trained.data.preprocessor.inputs).state_dict()
    still = [key for key in start if torch.equal(start[key], state[f"network.{key}"])]
    assert {key for key in start if key.startswith("stages.0.")} <= set(still), "statistics of batch norms too"
    assert not any(key.startswith("stages.1.") and key.endswith("weight") for key in still)


# end


def test_an_unknown_part_is_one_sentence(images: Project, config: Config, tmp_path: Path):
    chosen = tiny(config, trainer={"freeze": ("stage",)})
    with pytest.raises(UsageError, match=r"trainer\.freeze names 'stage'.*its parts are ") as refused:
        small_training(chosen, images.root, tmp_path)
    # of feature: image
    assert "its parts are stages, head" in str(refused.value)
    # end


def test_a_short_run_through_everything_leaves_a_checkpoint(images: Project, config: Config, tmp_path: Path):
    trained = small_training(
        tiny(config, debug={"name": "fast_dev_run"}, trainer={"max_epochs": 20}), images.root, tmp_path
    )
    assert trained.fitted.best.exists()
    assert len(trained.fitted.history) == 1
    assert trained.task.trainer.global_step == 1
    assert trained.fitted.notes == {"debug": "fast_dev_run"}


def test_epochs_are_limited(images: Project, config: Config, tmp_path: Path):
    chosen = tiny(config, debug={"name": "limit", "train": 0.7, "validation": 1}, trainer={"max_epochs": 2})
    trained = small_training(chosen, images.root, tmp_path)
    assert trained.task.trainer.global_step == 2 * 2, "2 of 3 batches in 2 epochs"


def test_a_share_is_one_batch_at_least(images: Project, config: Config, tmp_path: Path):
    chosen = tiny(config, debug={"name": "limit", "train": 0.01, "validation": 0.01}, trainer={"max_epochs": 1})
    assert small_training(chosen, images.root, tmp_path).task.trainer.global_step == 1


def test_a_profile_is_printed(images: Project, config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    small_training(tiny(config, debug={"name": "profile"}, trainer={"max_epochs": 1}), images.root, tmp_path)
    printed = capsys.readouterr().out
    assert "run_training_batch" in printed
    assert "Mean duration" in printed


@pytest.mark.parametrize("anomaly", [False, True], ids=["loss", "gradient"])
def test_the_batch_of_a_loss_that_is_no_number_is_saved(
    images: Project, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anomaly: bool
):
    from lightloop.tasks.classification import Classification

    original = Classification.loss_of

    def broken(self, outputs, batch):
        loss = original(self, outputs, batch)
        if self.current_epoch == 1:
            # A finite loss whose gradient is no number, or a loss that is none.
            return loss + (outputs.sum() * 0).sqrt() if anomaly else loss * torch.nan
        return loss

    monkeypatch.setattr(Classification, "loss_of", broken)
    sentence = "a gradient became nan" if anomaly else "training loss became nan in epoch 1, step 0"
    with pytest.raises(LightloopError, match=rf"(?s){sentence}.*the batch is in .*nan-batch\.pt"):
        small_training(tiny(config, trainer={"detect_anomaly": anomaly}), images.root, tmp_path)
    batch = torch.load(tmp_path / "nan-batch.pt", weights_only=True)
    assert len(batch["inputs"][0]) == 20
    # of feature: image
    assert batch["inputs"][0].shape == (20, 1, 28, 28)
    # end
    assert batch["targets"].shape == (20,)
    assert (batch["epoch"], batch["step"]) == (1, 0)
    assert isinstance(batch["seed"], int)


def test_deterministic_is_asked_of_torch_and_given_back(images: Project, config: Config, tmp_path: Path):
    import pytorch_lightning as pl

    seen: list[bool] = []

    class Look(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            seen.append(torch.are_deterministic_algorithms_enabled())

    chosen = tiny(config, trainer={"deterministic": True, "max_epochs": 1})
    small_training(chosen, images.root, tmp_path, [Look()])
    assert seen == [True]
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
def test_a_compiled_network_learns_the_same(images: Project, config: Config, tmp_path: Path):
    ends = []
    for compiled in (False, True):
        chosen = tiny(config, trainer={"compile": compiled, "max_epochs": 2}, network={"dropout": 0.0})
        trained = small_training(chosen, images.root, tmp_path / str(compiled))
        ends.append(trained.fitted.history[-1]["validation_loss"])
        assert not any("_orig_mod" in key for key in trained.state)
    assert ends[1] == pytest.approx(ends[0], rel=1e-3)


def test_classes_are_weighed_by_the_training_split(images: Project, config: Config, tmp_path: Path):
    chosen = tiny(config, balance={"name": "class_weights"}, trainer={"max_epochs": 1})
    trained = small_training(chosen, images.root, tmp_path)
    counts = torch.bincount(trained.data.splits["train"].targets, minlength=len(config.data.classes))
    present = counts > 0
    assert len(set(counts[present].tolist())) > 1, "else there is nothing to weigh"
    sums = trained.task.loss.weight[present] * counts[present]
    torch.testing.assert_close(sums, sums.mean().expand_as(sums))


def test_a_precision_may_be_written_as_a_number(config: Config):
    assert tiny(config, trainer={"precision": 32}).trainer.precision == "32"
    with pytest.raises(ValueError, match="'auto', '32' or 'bf16'"):
        tiny(config, trainer={"precision": 16})


def test_lbfgs_sees_the_same_dropout_in_each_evaluation(
    images: Project, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from lightloop.tasks.classification import Classification

    drawn: list[tuple[int, float]] = []
    original = Classification.loss_of

    def looking(self, outputs, batch):
        if self.training:
            state = torch.get_rng_state()
            drawn.append((batch.seed, torch.rand(()).item()))
            torch.set_rng_state(state)
        return original(self, outputs, batch)

    monkeypatch.setattr(Classification, "loss_of", looking)
    chosen = tiny(config, optimizer={"name": "lbfgs", "max_iter": 4}, trainer={"max_epochs": 2})
    small_training(chosen, images.root, tmp_path)
    assert len(drawn) > 6 == len({seed for seed, _ in drawn}), "several evaluations of each of the 6 batches"
    assert len(set(drawn)) == 6
