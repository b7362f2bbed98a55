"""Projects as people make them, each doing in a fresh clone what its README and Makefile say: check, tests, loop."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from made_projects import made_project, run

from lightloop.template.making.answers import KEPT

pytestmark = [pytest.mark.long, pytest.mark.timeout(5400)]
# The defaults, and answers of which each is another one.
ANSWERS: dict[str, dict[str, Any]] = {
    "defaults": {"name": "Churn at Acme", "author": "Acme Ltd"},
    "other": {
        "name": "Quill",
        "author": "Jo Quill",
        "email": "jo@quill.example",
        "licence": "Apache-2.0",
        "description": "Which messages nobody asked for",
        "tracking": "none",
        "target": "container",
        "experiments": [*KEPT, "spam"],
    },
}


@pytest.fixture(scope="module", params=ANSWERS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of a project that was made with these answers."""
    folder = tmp_path_factory.mktemp(request.param)
    answers = ANSWERS[request.param]
    if request.param == "other":
        answers = answers | {"remote": str(folder / "remote")}
    return made_project(folder, answers)


def test_it_is_the_project_that_was_asked_for(project: Path):
    answers = yaml.safe_load((project / ".template.json").read_text())["answers"]
    assert (project / "src" / answers["name"].lower().replace(" ", "_")).is_dir()
    assert {path.stem for path in (project / "configs/experiment").glob("*.yaml")} == set(answers["experiments"])
    assert (project / "storage").exists() == (answers["remote"] == "embedded")
    tracking = "none" if answers["tracking"] == "none" else "wandb"
    assert f"  - tracking: {tracking}\n" in (project / "configs/config.yaml").read_text()


def test_its_check_passes(project: Path):
    run(project, "make", "check")
    run(project, "make", "docs")


def test_its_tests_pass(project: Path):
    run(project, "pytest", "-n", "1", "-p", "no:cacheprovider")


def test_its_loop_runs(project: Path):
    assert "ACCEPTED" in run(project, "make", "run")
    assert run(project, "git", "status", "--porcelain", "src", "configs", "tests") == ""


def test_its_rehearsal_passes(project: Path):
    run(project, "make", "rehearse")
