"""Real runs of each kind but images of classes: every stage, one after the other."""

import importlib
import shutil
from pathlib import Path

import pytest
import yaml
from gan_world import tiny_config, tiny_project
from loop_world import must
from small_project import REPOSITORY

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.files import write_json
from lightloop.loop import read_pipeline
from lightloop.project import Project
from lightloop.quality.modality import read_metadata, suite_for
from lightloop.release.champion import write_champion

QUICK = ("tracking=none", "audit=none", "explain.records=10", "gate.resamples=200", "trainer.max_epochs=5")


def ran(root: Path, spec: dict[str, object], *overrides: str) -> Project:
    """A run on the mortgage applications, as a spec of their columns reads them."""
    for name in ("configs", "data/loans"):
        shutil.copytree(REPOSITORY / name, root / name)
    for name in ("dvc.yaml", "pyproject.toml", ".gto"):
        shutil.copy(REPOSITORY / name, root / name)
    project = Project(root)
    (project.configs / f"data/{spec['name']}.yaml").write_text(yaml.safe_dump(spec))
    config = compose_config(project, [*overrides, f"data={spec['name']}", *QUICK])
    suite = suite_for(config.data, read_metadata(config.data, root))
    write_json(project.expectations / f"{config.data.expectations}.json", suite)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        must(root, "git", *words)
    return staged(project, config)


def staged(project: Project, config: Config) -> Project:
    """The project after every stage ran, also where the gate refuses the model."""
    write_params(project, config)
    write_champion(project)
    for name in read_pipeline(project):
        stage = getattr(importlib.import_module(f"lightloop.stages.{name}"), name)
        stage(config, project, **({"fail": False} if name == "gate" else {}))
    return project


def demo(root: Path, name: str, *overrides: str) -> Project:
    """A run of one of the repository's experiments, on its own data, for an epoch or two."""
    (root / "data").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    shutil.copytree(REPOSITORY / f"data/{name}", root / f"data/{name}")
    for file in ("dvc.yaml", "pyproject.toml", ".gto", ".gitignore"):
        shutil.copy(REPOSITORY / file, root / file)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        must(root, "git", *words)
    project = Project(root)
    return staged(project, compose_config(project, [f"experiment={name}", *QUICK, *overrides]))


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return demo(tmp_path_factory.mktemp("texts") / "project", "spam", "trainer.max_epochs=2")


@pytest.fixture(scope="module")
def series_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return demo(tmp_path_factory.mktemp("series") / "project", "co2")


@pytest.fixture(scope="module")
def generator_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = tiny_project(tmp_path_factory.mktemp("generation") / "project")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        must(project.root, "git", *words)
    return staged(project, tiny_config(project, "audit=none"))


def loans() -> dict[str, object]:
    spec: dict[str, object] = yaml.safe_load((REPOSITORY / "configs/data/loans.yaml").read_text(encoding="utf-8"))
    return spec


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return ran(tmp_path_factory.mktemp("table") / "project", loans(), "experiment=loans-fast")


@pytest.fixture(scope="module")
def number_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The price of the house."""
    raw = loans()
    columns = raw.pop("columns")
    assert isinstance(columns, dict)
    for name in ("favourable", "metamorphic", "classes"):
        raw.pop(name, None)
    told = {"name": "prices", "problem": "regression", "split": {"policy": "random", "test": 0.2, "validation": 0.15}}
    spec = raw | told | {"expectations": "prices"}
    other = {name: {"role": "ignored", "why": "price in another coding"} for name in ("apr", "loanprc")}
    spec["columns"] = columns | {"approve": "slice", "price": "target"} | other
    words = ("preprocess=tabular", "network=mlp", "network.hidden=[32]", "task=regression", "loss=huber")
    more = ("explain=tabular", "gate=regression", "name=prices", "augment=none", "trainer.batch_size=64")
    return ran(tmp_path_factory.mktemp("numbers") / "project", spec, *words, *more)
