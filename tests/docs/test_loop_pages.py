"""The commands of folds.md, explain.md, audit.md and fairness.md, in their order, on the real tables and texts."""

import shlex
import shutil
from pathlib import Path

import pytest
from loop_world import command, commit_all, make_repository, must
from pages import commands
from small_project import REPOSITORY

from lightloop.project import Project

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

# What a test does not wait for, and what stands for it.
LESS = {
    "trials=30": "trials=2",
    "folds=5": "folds=2",
    "seeds=3": "seeds=2",
}
SHORT = ("trainer.max_epochs=2", "audit=none", "explain.records=10", "explain.steps=16", "explain.samples=8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project with every other data set in full."""
    project = make_repository(tmp_path_factory.mktemp("pages") / "project")
    for folder in sorted((REPOSITORY / "data").iterdir()):
        if folder.is_dir() and not (project.root / "data" / folder.name).exists():
            shutil.copytree(folder, project.root / "data" / folder.name)
    must(project.root, "dvc", "add", "-q", "data")
    must(project.root, "dvc", "push", "-q", "data.dvc")
    commit_all(project.root, "all data")
    return project


def shortened(line: str) -> list[str]:
    """The same command with fewer epochs and records, where it does not say them itself."""
    words = [LESS.get(word, word) for word in shlex.split(line)]
    said = {word.split("=")[0] for word in words}
    if words[1] == "run":
        words += [word for word in SHORT if word.split("=")[0] not in said]
    if words[1] == "sweep":
        words += [SHORT[0]]
    if words[1] == "compare":
        words = [f"{word} {SHORT[0]}" if "experiment=" in word else word for word in words]
    return words


@pytest.mark.parametrize("page", ["folds.md", "explain.md", "audit.md", "fairness.md"])
def test_the_commands_of_the_page_run(project: Project, page: str) -> None:
    told = commands(f"docs/{page}")
    assert len(told) >= 3
    for line in told:
        done = command(project.root, *shortened(line))
        # A network that saw the records for a moment passes no gate, which is exit code 3.
        assert done.returncode in {0, 3}, f"{line}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr


def test_what_the_pages_say_is_left_is_there(project: Project) -> None:
    assert command(project.root, "lightloop", "run", "experiment=loans", *SHORT).returncode in {0, 3}
    for name in ("evaluation/fairness.json", "evaluation/slices.json", "explanation/global.json", "audit/labels.json"):
        assert (project.root / "artifacts" / Path(name)).is_file()
