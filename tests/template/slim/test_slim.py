"""The template without this or that: nothing that is left speaks of what is gone, and what is left stands by itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from lean_trees import copied, faults, texts_of
from made_projects import NAME, made_project, run

from lightloop.template.making.answers import make_answers
from lightloop.template.making.render import render
from lightloop.template.slim import Report, read_features, slim
from lightloop.template.slim.lock import canonical, pinned
from lightloop.template.slim.packages import declared

# Features that bring no package that others do not need as well.
NO_PACKAGE = {"adoption", "creation", "generation", "score", "series", "tabular"}
OFFERED = read_features().offered
# Of kinds of data only one is left out at a time.
KINDS = {name for group in read_features().one_of for name in group}
TOGETHER = [name for name in OFFERED if name not in KINDS]
PROGRAMS = Path(sys.executable).parent


def test_nothing_left_out_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "src" / "lightloop").mkdir(parents=True)
    (tmp_path / "src" / "lightloop" / "a.py").write_text("import os\n", encoding="utf-8")
    assert slim(tmp_path, []) == Report((), (), (), ())
    assert (tmp_path / "src" / "lightloop" / "a.py").read_text(encoding="utf-8") == "import os\n"


def test_a_small_tree_loses_a_feature_and_what_only_it_used(tmp_path: Path) -> None:
    asked = "    # via lightloop (pyproject.toml)\n"
    files = {
        "pyproject.toml": '[project]\nname = "lightloop"\ndependencies = [\n  "wandb>=0.31",\n  "rich>=14",\n]\n',
        "requirements.lock": f"rich==14\n{asked}wandb==0.31\n{asked}",
        "src/lightloop/tracking/__init__.py": "import wandb\n\ndef open_run():\n    return wandb.init(wandb)\n",
        "src/lightloop/helper.py": "def told(run):\n    return str(run)\n\ndef kept():\n    return 1\n",
        "src/lightloop/loop.py": (
            "import rich\n\nfrom lightloop.helper import kept, told\nfrom lightloop.tracking import open_run\n\n"
            "def run():\n    run = open_run()\n    rich.print(told(run))\n    return rich.print(kept())\n"
        ),
        "tests/test_loop.py": (
            "from lightloop.loop import run\nfrom lightloop.tracking import open_run\n\n"
            "def test_a():\n    assert run()\n\ndef test_b():\n    assert open_run()\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = slim(tmp_path, ["wandb"])
    left = texts_of(tmp_path)
    assert done.packages == ("wandb",)
    assert done.removed == ("src/lightloop/tracking/__init__.py",)
    assert left["src/lightloop/helper.py"] == "def kept():\n    return 1\n"
    assert "open_run" not in left["src/lightloop/loop.py"]
    assert "test_b" not in left["tests/test_loop.py"]
    assert "def test_a" in left["tests/test_loop.py"]
    assert declared(left["pyproject.toml"]) == ["rich"]


def without(target: Path, *left_out: str) -> Path:
    """The template as `init` makes a project of it, under its own name, without features."""
    answers = {"name": "Lightloop", "author": "Acme", "leave_out": left_out}
    render(copied(target), make_answers(answers), "0.6.0")
    return target


def locked(root: Path) -> set[str]:
    return set(pinned((root / "requirements.lock").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that lacks nothing but what makes projects."""
    root = copied(tmp_path_factory.mktemp("whole") / "project")
    assert slim(root, ["making"]).unsolved == ()
    return root


@pytest.mark.slow
@pytest.mark.parametrize("left_out", OFFERED)
def test_each_feature_can_go_and_takes_its_packages_along(left_out: str, whole: Path, tmp_path: Path) -> None:
    root = without(tmp_path / "project", left_out)
    assert list(faults(root)) == []
    gone = locked(whole) - locked(root)
    assert locked(root) <= locked(whole)
    assert bool(gone) == (left_out not in NO_PACKAGE), gone
    # Others may still need one that the project itself no longer asks for.
    asked = set(declared((root / "pyproject.toml").read_text(encoding="utf-8")))
    own = {canonical(name) for name in read_features().features[left_out].packages}
    assert own & asked <= tools_of_others(left_out)
    for words in (("check", "."), ("format", "--check", ".")):
        said = subprocess.run([PROGRAMS / "ruff", *words], cwd=root, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout


def tools_of_others(left_out: str) -> set[str]:
    """Packages of other features, and what everybody uses."""
    features = read_features()
    others = [one for name, one in features.features.items() if name != left_out]
    return {*features.tools, *(package for one in others for package in one.packages)}


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("left_out", [*OFFERED, ",".join(TOGETHER)])
def test_a_project_without_passes_its_own_checks_and_tests_and_runs(left_out: str, tmp_path: Path) -> None:
    """Under another name, from a clone, with an environment in which the template is not installed."""
    answers = {"name": NAME.title, "author": "Acme", "leave_out": left_out.split(",")}
    project = made_project(tmp_path, answers)
    run(project, "ruff", "check", ".")
    run(project, "mypy")
    run(project, "lint-imports")
    run(project, "pytest", "-p", "no:cacheprovider")
    assert "gate" in run(project, NAME.command, "run", "experiment=loans-fast", codes=(0, 3))
