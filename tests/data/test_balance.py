"""Rare classes count as much as frequent ones: weights, draws, repeated and left out records."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from tables import loans_config

from lightloop.config.compose import compose_config
from lightloop.data.balance import class_weights, resampled_rows, reweighing
from lightloop.data.grouping import group_names
from lightloop.data.module import RecordsModule, build_data

TARGETS = torch.tensor([0] * 50 + [1] * 5 + [3] * 10)


def module(repository, name: str) -> RecordsModule:
    data = build_data(loans_config(repository, f"balance={name}"), repository.root)
    data.setup()
    return data


def test_weights_are_those_of_scikit_learn_and_1_for_absent_classes():
    weights = class_weights(TARGETS, 4)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=TARGETS.numpy())
    assert weights[[0, 1, 3]].tolist() == pytest.approx(expected.tolist())
    assert weights[2] == 1
    assert weights[TARGETS].mean().item() == pytest.approx(1)


@pytest.mark.parametrize(("method", "each"), [("oversample", 50), ("undersample", 5)])
def test_resampling_makes_classes_alike(method, each):
    rows = resampled_rows(TARGETS, method, seed=3)
    assert TARGETS[rows].bincount().tolist() == [each, each, 0, each]
    assert rows.equal(resampled_rows(TARGETS, method, seed=3))
    assert not rows.equal(resampled_rows(TARGETS, method, seed=4))
    if method == "oversample":
        assert set(rows.tolist()) == set(range(len(TARGETS)))
    else:
        assert len(rows.unique()) == len(rows)


@pytest.mark.parametrize(
    ("name", "counts"), [("none", [166, 1187]), ("oversample", [1187, 1187]), ("undersample", [166, 166])]
)
def test_only_the_training_split_is_balanced(repository, name, counts):
    data = module(repository, name)
    assert data.splits["train"].targets.bincount().tolist() == counts
    assert len(data.tables["train"]) == 1353
    assert data.splits["validation"].targets.bincount().tolist() == [29, 209]
    assert data.class_weights() is None


def test_the_sampler_draws_classes_alike(repository):
    drawn = torch.cat([batch.targets for batch in module(repository, "weighted_sampler").train_dataloader()])
    assert len(drawn) == 1353
    assert abs(drawn.float().mean().item() - 0.5) < 0.06


def test_class_weights_are_there_for_the_loss(repository):
    weights = module(repository, "class_weights").class_weights()
    assert weights is not None
    assert weights.tolist() == pytest.approx([1353 / 2 / 166, 1353 / 2 / 1187])


def test_images_are_balanced_too(project):
    data = build_data(compose_config(project, ("balance=undersample", "tracking=none")), project.root)
    data.setup()
    assert len(data.splits["train"].targets.bincount().unique()) == 1


def test_reweighing_makes_class_and_group_independent():
    random = np.random.default_rng(0)
    groups = random.choice(["a", "b", "c"], size=400, p=[0.6, 0.3, 0.1])
    targets = torch.tensor((random.random(400) < np.where(groups == "a", 0.9, 0.5)).astype(int))
    weights = reweighing(targets, groups.tolist()).numpy()
    for name in ("a", "b", "c"):
        inside = groups == name
        share = weights[inside & (targets.numpy() == 1)].sum() / weights[inside].sum()
        assert share == pytest.approx(targets.float().mean().item())
        assert weights[inside].sum() == pytest.approx(inside.sum())


def test_records_without_a_group_keep_their_weight():
    weights = reweighing(torch.tensor([0, 1, 1, 0]), group_names(["a", "a", None, float("nan")]))
    assert weights[2:].tolist() == [1, 1]


def test_reweighing_draws_the_groups_alike(repository):
    data = build_data(loans_config(repository, "balance=reweighing", "balance.by=black"), repository.root)
    data.setup()
    groups = np.array(data.tables["train"].column("black").to_pylist())
    loader = data.train_dataloader()
    drawn = []
    for epoch in range(20):
        loader.sampler.set_epoch(epoch)
        drawn += [chosen.rows for chosen in loader.sampler]
    rows = torch.cat(drawn).numpy()
    targets = data.splits["train"].targets.numpy()
    rates = [targets[rows][groups[rows] == value].mean() for value in (0, 1)]
    before = [targets[groups == value].mean() for value in (0, 1)]
    assert before[0] - before[1] > 0.15
    assert abs(rates[0] - rates[1]) < 0.02
