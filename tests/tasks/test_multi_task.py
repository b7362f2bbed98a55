"""Several heads on one trunk: what each learns, and that the release answers the main one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from several_heads import make_described, several
from small_training import changed, small_training, tiny

from lightloop.config.schema import Config
from lightloop.data.module import build_data
from lightloop.data.targets import MISSING
from lightloop.errors import RefusedError
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model
from lightloop.tasks.multi_task import head_loss
from lightloop.training.fit import store


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_described(tmp_path_factory.mktemp("several") / "project")


def test_batches_carry_the_targets_of_all_heads(described: Project, config: Config):
    data = build_data(several(config), described.root)
    data.setup()
    batch = next(iter(data.train_dataloader()))
    numbers, kinds = batch.auxiliary
    assert (numbers.dtype, kinds.dtype) == (torch.float32, torch.int64)
    known = data.splits["train"].auxiliary[0]
    assert known.nanmean().item() == pytest.approx(0, abs=1e-5)
    assert known[~known.isnan()].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert known.isnan().any()


@pytest.mark.slow
def test_all_heads_learn_and_the_main_one_is_released(described: Project, config: Config, tmp_path: Path):
    chosen = several(config, trainer={"max_epochs": 40})
    trained = small_training(chosen, described.root, tmp_path / "scratch")
    task, records = trained.task.eval(), trained.data.splits["train"]
    with torch.no_grad():
        outputs = task(*records.inputs)
    assert outputs.shape == (60, 10 + 1 + 2)
    assert head_loss(outputs[:, 10:11], records.auxiliary[0]) < 0.7, "1 is the error of answering the mean"
    assert (outputs[:, 11:].argmax(1) == records.auxiliary[1]).float().mean() > 0.85
    assert trained.fitted.history[-1]["train_accuracy"] > 0.5

    store(trained.fitted.best, tmp_path / "model.ckpt", chosen)
    table = trained.data.tables["validation"].slice(0, 5)
    answers = load_model(tmp_path / "model.ckpt").answers(table)
    assert answers["probabilities"].shape == (5, 10)
    np.testing.assert_allclose(answers["probabilities"].sum(1), 1, rtol=1e-5)


def test_the_loss_is_the_main_one_and_a_share_of_the_others(described: Project, config: Config, tmp_path: Path):
    trained = small_training(several(config, trainer={"max_epochs": 1}), described.root, tmp_path)
    task, batch = trained.task, next(iter(trained.data.train_dataloader()))
    outputs = torch.randn(20, 13)
    main = -log_softmax(outputs[:, :10].numpy(), axis=1)[np.arange(20), batch.targets.numpy()].mean()
    number = np.nanmean((outputs[:, 10].numpy() - batch.auxiliary[0].numpy()) ** 2)
    kind = -log_softmax(outputs[:, 11:].numpy(), axis=1)[np.arange(20), batch.auxiliary[1].numpy()].mean()
    task.train()
    assert task.loss_of(outputs, batch).item() == pytest.approx(main + 0.5 * (number + kind) / 2, rel=1e-5)


def test_missing_classes_are_passed_over():
    outputs = torch.randn(3, 2)
    expected = -log_softmax(outputs.numpy(), axis=1)[[0, 2], [1, 0]].mean()
    assert head_loss(outputs, torch.tensor([1, MISSING, 0])).item() == pytest.approx(expected, rel=1e-5)
    assert head_loss(outputs, torch.full((3,), MISSING)).item() == 0
    assert head_loss(outputs[:, :1], torch.full((3,), torch.nan)).item() == 0


def test_a_column_that_is_no_number_needs_its_classes(described: Project, config: Config):
    spec = config.data.model_dump(mode="json")
    spec["columns"] |= {"kind": {"role": "auxiliary"}}
    data = build_data(tiny(changed(config, data=spec), task={"name": "multi_task"}), described.root)
    with pytest.raises(RefusedError, match="column kind has the role auxiliary and no classes"):
        data.setup()


def test_several_heads_need_something_to_predict(config: Config):
    with pytest.raises(ValueError, match="data=fashion has none: give a column that role"):
        changed(config, task={"name": "multi_task"})
