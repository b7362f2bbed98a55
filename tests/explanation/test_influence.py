"""Scores are those of autograd; records with planted wrong labels are found, in the lists too; a blind score is not."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from trained_table import small_table, splits_of, trained

from lightloop.explanation.influence import check, influence_content, plant, separation, strongest
from lightloop.explanation.reference import frozen
from lightloop.explanation.sample import Sample
from lightloop.explanation.tracin import Judging, influence, last_layer, losses, refitted, self_influence, take
from lightloop.files import write_json
from lightloop.networks._ensemble import Ensemble
from lightloop.tasks.checkpoint import Model

ROWS = Sample(np.arange(12), ("correct",) * 12)


@pytest.fixture(scope="module")
def world(repository, tmp_path_factory):
    """A model that was trained, all of it, on labels of which a tenth were made wrong; which, and the splits."""
    root = tmp_path_factory.mktemp("influence")
    config = small_table(repository, root)
    splits = splits_of(config, root)
    random, train = np.random.default_rng(3), splits["train"]
    wrong = np.isin(np.arange(len(train)), random.permutation(len(train))[: len(train) // 10])
    first, second = config.data.classes
    labels = [
        (second if label == first else first) if bad else label
        for label, bad in zip(train["label"].to_pylist(), wrong, strict=True)
    ]
    splits["train"] = train.set_column(train.column_names.index("label"), "label", pa.array(labels))
    return config, trained(config, splits["train"]), splits, wrong


def parts_of(world):
    _, model, splits, _ = world
    network = frozen(model.network)
    layer = last_layer(model, network, splits["train"])
    return layer, Judging(model), *(take(model, network, layer, splits[part]) for part in ("test", "train"))


def test_scores_are_products_of_gradients(world):
    layer, judging, asked, training = parts_of(world)
    scores_NM = influence(layer, judging, asked, training)
    own_M = self_influence(layer, judging, training)
    layer.requires_grad_(True)

    def gradient(records, row):
        one = records.take(torch.tensor([row]))
        return torch.autograd.grad(judging(layer(one.x_NF), (one.targets,)), layer.weight)[0]

    for row, other in ((0, 0), (3, 17), (5, 101)):
        expected = (gradient(asked, row) * gradient(training, other)).sum()
        torch.testing.assert_close(scores_NM[row, other], expected, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(own_M[other], gradient(training, other).square().sum(), rtol=1e-3, atol=1e-6)


def test_a_step_on_a_training_record_lowers_the_loss_as_its_score_says(world):
    layer, judging, asked, training = parts_of(world)
    scores_NM, before_N = influence(layer, judging, asked, training), losses(layer, judging, asked)
    row = int(scores_NM.abs().sum(0).argmax())
    one, rate = training.take(torch.tensor([row])), 1e-4
    layer.requires_grad_(True)
    slope = torch.autograd.grad(judging(layer(one.x_NF), (one.targets,)), layer.weight)[0]
    with torch.no_grad():
        layer.weight -= rate * slope
    fall_N = (before_N - losses(layer, judging, asked)) / rate
    torch.testing.assert_close(fall_N, scores_NM[:, row], rtol=0.05, atol=0.05)


def test_wrong_labels_of_a_training_stand_out_and_hurt_most(world):
    *_, wrong = world
    layer, judging, asked, training = parts_of(world)
    by_itself = separation(self_influence(layer, judging, training).double().numpy(), wrong)
    assert by_itself.mean() > 0.75
    hurt = strongest(-influence(layer, judging, asked, training).double().numpy(), 5).rows_NK
    assert wrong[hurt].mean() > 3 * wrong.mean()
    blind = separation(np.random.default_rng(0).random(len(wrong)), wrong)
    assert 0.35 < blind.mean() < 0.65


def test_a_better_last_layer_is_found(world):
    layer, judging, _, training = parts_of(world)
    better = refitted(layer, judging, training)
    assert losses(better, judging, training).mean() < losses(layer, judging, training).mean()


def test_the_file_holds_lists_and_checks_that_pass_and_again_the_same(world, tmp_path):
    config, model, splits, _ = world
    found = influence_content(config, model, splits, ROWS, tmp_path / "influence")
    write_json(tmp_path / "influence.json", found)
    assert found["applies"]
    assert found["n"] == len(found["records"]) == 12
    labels = dict(zip(splits["train"]["id"].to_pylist(), splits["train"]["label"].to_pylist(), strict=True))
    for record in found["records"]:
        assert all(labels[one["id"]] == one["label"] for one in (*record["helped"], *record["hurt"]))
        helped, hurt = ([one["score"] for one in record[side]] for side in ("helped", "hurt"))
        assert helped == sorted(helped, reverse=True)
        assert hurt == sorted(hurt)
        assert min(helped) > 0 > max(hurt)
    assert {name: one["passed"] for name, one in found["checks"].items()}["planted_errors"]
    assert found["trusted"] is all(one["passed"] for one in found["checks"].values())
    assert len(found["reasons"]) == sum(not one["passed"] for one in found["checks"].values())
    assert influence_content(config, model, splits, ROWS, tmp_path / "influence") == found


def test_records_that_say_nothing_fail_the_checks(world):
    config, *_ = world
    layer, judging, asked, training = parts_of(world)
    zeros = torch.zeros_like(training.x_NF)
    empty = type(training)(zeros, training.targets)
    checks, reasons = check(config, layer, judging, type(asked)(torch.zeros_like(asked.x_NF), asked.targets), empty)
    assert not any(one["passed"] for one in checks.values())
    assert len(reasons) == 3


def test_numbers_are_given_round_and_classes_become_others():
    random = np.random.default_rng(0)
    planted, wrong = plant(torch.arange(100.0)[:, None], random)
    assert planted.sum() == 5
    assert torch.equal(wrong.sort(0).values, torch.arange(100.0)[:, None])
    assert (wrong[:, 0] != torch.arange(100.0)).numpy().tolist() == planted.tolist()
    classes = torch.arange(100) % 3
    planted, wrong = plant(classes, random)
    assert (wrong != classes).numpy().tolist() == planted.tolist()


def test_what_has_no_single_last_layer_says_why(world, tmp_path):
    config, model, splits, _ = world
    both = Ensemble([model.network, model.network], rule="mean", classes=2)
    several = Model(config, model.preprocessor, both)
    found = influence_content(config, several, splits, ROWS, tmp_path / "influence")
    assert found["applies"] is False
    assert "ensemble" in found["why"]
    assert list((tmp_path / "influence").iterdir()) == []
