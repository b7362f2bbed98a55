"""A small project on real data, and one on which the whole loop has run."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loop_world import clone, make_repository, must, run_small
from small_project import REPOSITORY, SMALL, make_project

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_configure() -> None:
    """One thread in each of the two test processes: PyTorch and NumPy read this as they load, before fixtures."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    from compositions import keep

    keep()


@pytest.fixture(autouse=True, scope="session")
def _quiet_environment() -> None:
    """No test talks to a server or to the user's git settings."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "DVC_", "LIGHTLOOP_JOURNAL"))]:
        del os.environ[name]
    os.environ |= {
        "WANDB_MODE": "disabled",
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@example.invalid",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.invalid",
    }


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A real one, for tests with the mark `browser`; not for longer, since Playwright keeps an event loop meanwhile."""
    from chromium import launched

    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def repository() -> Project:
    """This repository itself, to be read only."""
    return Project(REPOSITORY)


@pytest.fixture(scope="session")
def config(repository: Project) -> Config:
    """The default config."""
    return compose_config(repository)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A small project to be changed at will: configs, pipeline, 300 + 100 images; no git."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def small_config(repository: Project) -> Config:
    """The default config, shortened."""
    return compose_config(repository, SMALL)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_config: Config) -> Project:
    """A small project on which all stages have really run, one after the other. To be read only."""
    from lightloop.release.champion import write_champion
    from lightloop.stages.audit import audit
    from lightloop.stages.calibrate import calibrate
    from lightloop.stages.compress import compress
    from lightloop.stages.evaluate import evaluate
    from lightloop.stages.explain import explain
    from lightloop.stages.export import export
    from lightloop.stages.gate import gate
    from lightloop.stages.report import report
    from lightloop.stages.train import train
    from lightloop.stages.validate import validate

    project = make_project(tmp_path_factory.mktemp("finished") / "project")
    for command in (["git", "init", "-q"], ["git", "add", "-A"], ["git", "commit", "-qm", "start"]):
        subprocess.run(command, cwd=project.root, check=True)
    write_params(project, small_config)
    write_champion(project)
    validate(small_config, project)
    train(small_config, project)
    calibrate(small_config, project)
    evaluate(small_config, project)
    audit(small_config, project)
    explain(small_config, project)
    export(small_config, project)
    compress(small_config, project)
    gate(small_config, project, fail=False)
    report(small_config, project)
    return project


# For the slow tier: the loop as a person runs it.


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project under git and DVC, to be cloned."""
    return make_repository(tmp_path_factory.mktemp("loop") / "origin")


@pytest.fixture(scope="session")
def ran(origin: Project) -> Project:
    """A clone in which the loop ran once; to be read only."""
    project = clone(origin.root, origin.root.parent / "ran")
    done = run_small(project.root)
    assert done.returncode == 3, done.stdout + done.stderr
    (project.scratch / "first-output").write_text(done.stdout + done.stderr)
    return project


@pytest.fixture
def fresh(origin: Project, tmp_path: Path) -> Project:
    return clone(origin.root, tmp_path / "clone")


@pytest.fixture
def copy(ran: Project, tmp_path: Path) -> Project:
    """A copy of the clone in which the loop ran, to be changed at will."""
    must(tmp_path, "cp", "-a", str(ran.root), str(tmp_path / "copy"))
    return Project(tmp_path / "copy")
