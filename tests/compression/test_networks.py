"""Networks made smaller: channels really removed, zeros that stay, students that learn from who teaches them."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from network_examples import CASES, build, records
from torch import nn
from trained_table import small_table, splits_of, trained

from lightloop.compression.graphs import InapplicableError
from lightloop.compression.networks import Workshop, narrow
from lightloop.compression.teachers import Teacher, find_teacher
from lightloop.config.compression import Distil, Narrow, Prune
from lightloop.data.batches import Batch
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.release.bundle import write_bundle
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model
from lightloop.tasks.distillation import DistilledClasses, torch_teacher

# Layers whose channels torch-pruning can't follow: heads of attention, GRU's three gates in one matrix.
BOUND = ("ft_transformer", "gru", "transformer")
HALF = Narrow(name="narrow", keep=0.5, epochs=0)


class Ready(nn.Module):
    """Preprocessing that is done: records as the network takes them."""

    def __init__(self, modality: str) -> None:
        super().__init__()
        self.modality = modality

    def example(self):
        return records(self.modality, 2)

    def forward(self, *features):
        return features


def count(network: nn.Module) -> int:
    return sum(weights.numel() for weights in network.parameters())


def narrowed(name: str, modality: str) -> tuple[nn.Module, int]:
    network = build(name, modality)
    before = count(network)
    narrow(network, Ready(modality), HALF)
    return network, before


@pytest.mark.parametrize(("name", "modality"), [("cnn", "image"), ("mlp", "tabular")])
def test_half_of_the_channels_is_removed(name, modality):
    network, before = narrowed(name, modality)
    assert count(network) < 0.62 * before
    answers = network(*records(modality, 5))
    assert answers.shape == (5, 4)
    assert answers.std() > 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "modality"), CASES)
def test_a_network_is_narrowed_or_says_why_not(name, modality):
    if name in BOUND:
        with pytest.raises(InapplicableError, match="channels can't be removed from this network"):
            narrowed(name, modality)
        return
    network, before = narrowed(name, modality)
    assert count(network) < before
    assert network(*records(modality, 5)).shape == (5, 4)


@pytest.fixture(scope="module")
def world(repository, tmp_path_factory) -> Workshop:
    """A network that was trained on a small table."""
    root = tmp_path_factory.mktemp("table")
    config = small_table(repository, root)
    trainer = config.trainer.model_copy(update={"max_epochs": 3, "batch_size": 64, "patience": 60})
    optimizer = config.optimizer.model_copy(update={"lr": 0.02})
    config = config.model_copy(update={"trainer": trainer, "optimizer": optimizer})
    splits = splits_of(config, root)
    return Workshop(config, Project(root), trained(config, splits["train"]))


def first_layer(model: Model) -> nn.Linear:
    return next(layer for layer in model.network.modules() if isinstance(layer, nn.Linear))


def test_what_was_left_out_stays_out_and_the_rest_learns(world):
    before = {key: value.clone() for key, value in world.model.network.state_dict().items()}
    pruned = world.model_of([Prune(name="prune", sparsity=0.6, epochs=2)])
    layers = [layer for layer in pruned.network.modules() if isinstance(layer, nn.Linear)]
    weights = torch.cat([layer.weight.flatten() for layer in layers])
    assert (weights == 0).float().mean() == pytest.approx(0.6, abs=0.01)
    alike = [torch.equal(value, before[key]) for key, value in pruned.network.state_dict().items()]
    assert not all(alike)
    # The trained network is as it was.
    assert all(torch.equal(value, before[key]) for key, value in world.model.network.state_dict().items())


def test_the_same_steps_give_the_same_weights(world):
    steps = [Narrow(name="narrow", keep=0.5, epochs=1)]
    first = world.model_of(steps).network.state_dict()
    world.done()
    second = world.model_of(steps).network.state_dict()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert len(first_layer(world.model_of(steps)).weight) == 8


def test_a_student_is_smaller_and_learns_what_its_teacher_says(world):
    student = world.model_of([Distil(name="distil", network={"hidden": [4]}, alpha=1.0, temperature=2.0, epochs=40)])
    assert count(student.network) < 0.5 * count(world.model.network)
    test = splits_of(world.config, world.project.root)["test"]
    ours, theirs = (model.answers(test)["probabilities"] for model in (student, world.model))
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.85
    assert np.abs(ours - theirs).mean() < 0.15


def test_ensembles_have_to_be_distilled_first(world):
    from lightloop.networks._ensemble import Ensemble

    both = Ensemble([world.model.network, world.model.network], rule="mean", classes=2)
    shop = Workshop(world.config, world.project, replace(world.model, network=both))
    with pytest.raises(InapplicableError, match="the network is an ensemble, whose members differ: distil it into one"):
        shop.model_of([HALF])


def task(world, alpha: float, temperature: float, teach) -> DistilledClasses:
    model = world.model
    found = DistilledClasses(
        world.config, model.network, model.preprocessor, False, teach=teach, temperature=temperature, alpha=alpha
    )
    return found.train()


def test_the_loss_is_that_of_the_paper(world):
    generator = torch.Generator().manual_seed(0)
    own, taught = (torch.randn(6, 2, generator=generator) for _ in range(2))
    batch = Batch((), torch.tensor([0, 1, 0, 1, 1, 0]))
    labels = nn.functional.cross_entropy(own, batch.targets)
    soft = nn.functional.softmax(taught / 3, 1)
    distance = (soft * (soft.log() - nn.functional.log_softmax(own / 3, 1))).sum(1).mean()
    found = task(world, 0.7, 3.0, lambda _: taught).loss_of(own, batch)
    assert found.item() == pytest.approx((0.7 * 9 * distance + 0.3 * labels).item(), rel=1e-5)
    # What decides which epoch is kept does not depend on the teacher.
    assert task(world, 0.7, 3.0, lambda _: taught).eval().loss_of(own, batch).item() == pytest.approx(labels.item())


def test_who_answers_like_the_teacher_loses_nothing(world):
    inputs = world.model.preprocessor.encode(splits_of(world.config, world.project.root)["test"])
    batch = Batch(inputs, torch.zeros(len(inputs[0]), dtype=torch.int64))
    teach = torch_teacher(world.model.preprocessor, copy.deepcopy(world.model.network))
    learning = task(world, 1.0, 2.0, teach)
    outputs = learning.eval()(*inputs)
    assert learning.train().loss_of(outputs, batch).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_a_bundle_teaches(world, monkeypatch):
    splits = splits_of(world.config, world.project.root)
    folder = world.project.root / "teacher"
    write_bundle(world.model, folder, data_version=None, train=splits["train"], validation=splits["validation"])
    teacher = find_teacher(world.project, "teacher", world.model, world.config)
    assert isinstance(teacher, Teacher)
    assert teacher.model is not None
    test = splits["test"]
    np.testing.assert_allclose(
        teacher.model.answers(test)["logits"], Predictor.load(folder).answers(test)["logits"], atol=1e-4
    )
    step = Distil(name="distil", teacher="teacher", network={"hidden": [6]}, epochs=4)
    assert world.model_of([step]).answers(test)["probabilities"].shape == (len(test), 2)
    # Of a graph alone, such as one that was made smaller, the answers to the raw records are learned.
    outputs = Predictor.load(folder).answers
    noted = Teacher(None, lambda table: outputs(table)["logits"])
    monkeypatch.setattr("lightloop.compression.networks.find_teacher", lambda *_: noted)
    student = world.model_of([Distil(name="distil", network={"hidden": [5]}, alpha=1.0, epochs=40)])
    ours = student.answers(test)["probabilities"]
    assert (ours.argmax(1) == outputs(test)["probabilities"].argmax(1)).mean() > 0.85


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere/bundle", "the teacher nowhere/bundle is no folder: name that of a bundle, a version such as v1"),
        ("v9.9.9", "is not a git repository|there is no version v9.9.9|no version is registered"),
    ],
)
def test_a_teacher_who_is_not_there(world, name, sentence):
    with pytest.raises(UsageError, match=sentence):
        find_teacher(world.project, name, world.model, world.config)


def test_a_teacher_of_other_classes_is_refused(world, tmp_path):
    from tiny_bundles import tiny_bundle

    tiny_bundle("tabular", world.project.root / "others", golden=False)
    with pytest.raises(UsageError, match="the teacher others knows no, yes, and the student is to know"):
        find_teacher(world.project, "others", world.model, world.config)
    tiny_bundle("text", world.project.root / "texts", golden=False)
    with pytest.raises(UsageError, match="the teacher texts solves text classification, not tabular classification"):
        find_teacher(world.project, "texts", world.model, world.config)
