"""Who can teach: a registered version, an ensemble of folds, and on mixed images a bundle."""

import copy
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from registry_world import make_world
from serving_world import fresh, teach
from small_project import make_project
from trained_table import small_table, splits_of, trained

from lightloop.compression.networks import Workshop
from lightloop.compression.teachers import find_teacher
from lightloop.config.compose import compose_config
from lightloop.config.compression import Distil
from lightloop.config.schema import Config
from lightloop.data.module import build_data
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.networks._ensemble import Ensemble
from lightloop.project import Project
from lightloop.release.bundle import write_bundle
from lightloop.release.registry import register
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model
from lightloop.tasks.distillation import DistilledClasses, torch_teacher

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A network that learned a little, on images that training mixes."""
    project = make_project(tmp_path_factory.mktemp("pictures") / "project")
    words = ("network.channels=[4,6]", "trainer.max_epochs=2", "trainer.batch_size=50", "tracking=none")
    config = compose_config(project, [*words, "augment.mixup=0.4", "augment.cutmix=0.4"])
    train = read_splits(config.data, project.root, config.seed)["train"]
    model = fresh(config, train)
    teach(model, train, 20)
    return Workshop(config, project, replace(model, network=model.network.eval()))


def test_a_version_teaches_by_its_name(pictures: Workshop, tmp_path: Path) -> None:
    project = make_world(tmp_path / "world")
    released = register(project, commit=True)
    two = pictures.config.data.model_copy(update={"classes": ("a", "b")})
    config = pictures.config.model_copy(update={"data": two})
    test = read_splits(pictures.config.data, pictures.project.root, 0)["test"]

    def taught(name: str) -> np.ndarray:
        teacher = find_teacher(project, name, pictures.model, config)
        # Its manifest holds no config of ours, so that its graph alone is asked.
        assert teacher.model is None
        assert teacher.outputs is not None
        return np.asarray(teacher.outputs(test))

    expected = Predictor.load(project.bundle).answers(test)["logits"]
    assert expected.std() > 0
    np.testing.assert_array_equal(taught(released.version), expected)
    # What was fetched once is kept, and is not the bundle that lies there now.
    shutil.rmtree(project.root / "storage")
    shutil.rmtree(project.bundle)
    np.testing.assert_array_equal(taught(released.version), expected)
    shutil.rmtree(project.scratch / "teachers")
    shutil.rmtree(project.root / ".dvc" / "cache")
    with pytest.raises(LightloopError, match=r"v0\.1\.0 can't be fetched"):
        taught(released.version)


def mixed_batch(config: Config, shop: Workshop):
    """A batch as training sees it: two images and their classes blended."""
    data = build_data(config, shop.project.root)
    data.given(None, shop.model.preprocessor)
    data.setup()
    return next(iter(data.train_dataloader()))


def test_a_bundle_teaches_on_mixed_images_what_it_says_of_the_mixture(pictures: Workshop) -> None:
    folder = pictures.project.root / "teacher"
    splits = read_splits(pictures.config.data, pictures.project.root, pictures.config.seed)
    write_bundle(pictures.model, folder, data_version=None, train=splits["train"], validation=splits["validation"])
    teacher = find_teacher(pictures.project, "teacher", pictures.model, pictures.config)
    assert teacher.model is not None
    batch = mixed_batch(pictures.config, pictures)
    # Who answers like the teacher, on the very mixture, has nothing to learn.
    task = DistilledClasses(
        pictures.config,
        copy.deepcopy(pictures.model.network),
        pictures.model.preprocessor,
        False,
        teach=torch_teacher(teacher.model.preprocessor, teacher.model.network),
        temperature=2.0,
        alpha=1.0,
    )
    task.preprocessor.eval()
    task.network.eval()
    task.training = True
    loss = task.loss_of(task(*batch.inputs), batch)
    assert loss.item() == pytest.approx(0, abs=1e-5)
    student = pictures.model_of([Distil(name="distil", teacher="teacher", network={"channels": [2, 3]}, epochs=2)])
    assert student.answers(splits["test"])["probabilities"].shape == (len(splits["test"]), 10)


def test_a_graph_alone_teaches_on_images_as_they_are(pictures: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures.project.root / "graph"
    splits = read_splits(pictures.config.data, pictures.project.root, pictures.config.seed)
    write_bundle(pictures.model, folder, data_version=None, train=splits["train"], validation=splits["validation"])
    # As of a bundle that was made smaller, whose weights are not there any more.
    monkeypatch.setattr(
        "lightloop.compression.teachers.model_of_bundle", lambda _: (_ for _ in ()).throw(LightloopError("no weights"))
    )
    seen: list[int] = []
    from lightloop.compression import networks

    noted = networks.noted_teacher

    def noting(batch):
        seen.append(len(batch.auxiliary[-1]))
        # Mixing would have blended the answers too, which it does not: the records are as they were noted.
        assert torch.isin(batch.auxiliary[-1][:, 0], answers).all()
        return noted(batch)

    answers = torch.from_numpy(Predictor.load(folder).answers(splits["train"])["logits"][:, 0].astype(np.float32))
    monkeypatch.setattr(networks, "noted_teacher", noting)
    pictures.model_of([Distil(name="distil", teacher="graph", network={"channels": [2, 3]}, epochs=1)])
    assert sum(seen) == len(splits["train"])


def test_an_ensemble_of_folds_teaches_one_network(repository: Project, tmp_path: Path) -> None:
    config = small_table(repository, tmp_path)
    optimizer = config.optimizer.model_copy(update={"lr": 0.02})
    trainer = config.trainer.model_copy(update={"batch_size": 64, "patience": 60})
    config = config.model_copy(update={"optimizer": optimizer, "trainer": trainer})
    splits = splits_of(config, tmp_path)
    members = []
    for seed in range(2):
        torch.manual_seed(seed)
        members.append(trained(config, splits["train"]))
    whole = Ensemble([copy.deepcopy(one.network) for one in members], rule="mean", classes=2)
    model: Model = replace(members[0], network=whole.eval())
    shop = Workshop(config, Project(tmp_path), model)
    assert find_teacher(shop.project, "model", model, config).model is model
    student = shop.model_of([Distil(name="distil", network={"hidden": [6]}, alpha=1.0, epochs=40)])
    assert not isinstance(student.network, Ensemble)
    test = splits["test"]
    ours, theirs = (one.answers(test)["probabilities"] for one in (student, model))
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.85
    assert np.abs(ours - theirs).mean() < 0.15
