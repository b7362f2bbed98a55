"""The template without this or that: nothing that is left speaks of what is gone, and what is left stands by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lean_trees import REPOSITORY, copied, faults, texts_of

from lightloop.template.slim import Report, read_features, slim
from lightloop.template.slim.lock import pinned
from lightloop.template.slim.packages import declared

# Features that bring no package that others do not need as well.
NO_PACKAGE = {"adoption", "creation", "generation", "monitoring", "series", "tabular"}
COMBINATIONS = ["github", "wandb", "serving", "image", "text,series", "image,text,series,generation"]
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


@pytest.mark.long
@pytest.mark.parametrize("left_out", [name for name in read_features().features if name != "image"])
def test_each_feature_can_go_and_takes_its_packages_along(left_out: str, tmp_path: Path) -> None:
    root = copied(tmp_path / "project")
    before = pinned((root / "requirements.lock").read_text(encoding="utf-8"))
    done = slim(root, [left_out])
    assert done.unsolved == ()
    assert list(faults(root)) == []
    after = pinned((root / "requirements.lock").read_text(encoding="utf-8"))
    assert set(after) <= set(before)
    assert (len(after) < len(before)) == (left_out not in NO_PACKAGE)
    for words in (("check", "."), ("format", "--check", ".")):
        said = subprocess.run([PROGRAMS / "ruff", *words], cwd=root, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout


@pytest.mark.long
@pytest.mark.parametrize("left_out", COMBINATIONS)
def test_a_lean_tree_passes_its_own_check_and_runs(left_out: str, tmp_path: Path) -> None:
    root = copied(tmp_path / "project")
    slim(root, left_out.split(","))
    shutil.copytree(REPOSITORY / "data", root / "data")
    environment = os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PYTHONPATH": str(root / "src")}
    for command in ("git init -q", "git add -A", "git commit -qm start", "mypy", "pytest -p no:cacheprovider",
                    "lightloop run experiment=loans-fast"):  # fmt: skip
        done = subprocess.run(command.split(), cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 3 if "run" in command else 0), (
            f"{command}: {done.stdout[-3000:]}{done.stderr[-2000:]}"
        )
