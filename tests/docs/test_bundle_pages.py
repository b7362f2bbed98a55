"""What predict.md, compression.md, deploy.md and wandb.md show, with real bundles and a real registry."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from claims import ELSEWHERE
from loop_world import command, commit_all, make_repository, must, run_small
from pages import blocks, commands
from registry_world import make_world
from serving_world import table_world
from small_project import REPOSITORY
from tiny_bundles import png, tiny_bundle

from lightloop.compression.edge import write_edge
from lightloop.project import Project
from lightloop.release.registry import promote, register

pytestmark = pytest.mark.slow


def here(page: str) -> list[str]:
    """The commands of a page that no other test runs."""
    return [line for line in commands(f"docs/{page}") if line not in ELSEWHERE.get(f"docs/{page}", {})]


def programs(page: str) -> list[str]:
    return [block.text for block in blocks(f"docs/{page}") if block.language == "python"]


def run_programs(told: Iterable[str], folder: Path) -> None:
    for program in told:
        done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program}\n{done.stderr}"


def test_predict(tmp_path: Path) -> None:
    project = make_world(tmp_path / "world")
    shutil.copytree(REPOSITORY / "configs", project.root / "configs", dirs_exist_ok=True)
    shutil.copy(REPOSITORY / "requirements.lock", project.root)
    tiny_bundle("image", project.root / "artifacts/bundle")  # of the page's picture of a shoe
    (project.root / "shoe.png").write_bytes(png(np.full((28, 28), 90, dtype=np.uint8)))
    pictures = project.root / "pictures"
    pictures.mkdir()
    shutil.copy(project.root / "shoe.png", pictures / "one.png")
    run_programs(programs("predict.md"), project.root)

    stands_for = {"INPUT": "pictures", "OUTPUT": "answers.csv", "PATH": "artifacts/bundle", "N": "8"}
    for line in here("predict.md"):
        words = [stands_for.get(word.strip("[]"), word.strip("[]")) for word in shlex.split(line)]
        done = command(project.root, *words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    assert (project.root / "answers.csv").read_text(encoding="utf-8").count("\n") == 2
    assert {"bundle.key", "bundle.pub"} <= {path.name for path in project.root.iterdir()}


def test_compression(tmp_path: Path, repository: Project) -> None:
    world = table_world(repository, tmp_path)
    write_edge(world.bundle, tmp_path / "edge.onnx", 100.0)
    assert commands("docs/compression.md") == []
    run_programs(programs("compression.md"), tmp_path)


def test_what_served_when(tmp_path: Path) -> None:
    project = make_world(tmp_path / "world")
    (project.root / "configs").mkdir()  # so that the command line sees a project
    register(project, commit=True)
    promote(project, stage="production")
    told = here("deploy.md")
    assert told == [line for line in told if line.startswith("lightloop releases --at")]
    for line in told:
        done = command(project.root, *shlex.split(line))
        assert done.returncode == 0, done.stderr
        assert "UTC" in done.stdout


def test_wandb_without_a_key(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    commit_all(project.root, "start") if must(project.root, "git", "status", "--porcelain") else None
    assert run_small(project.root).returncode == 3
    told = here("wandb.md")
    assert {"lightloop dashboard show", "lightloop sync"} == set(told)
    shown = command(project.root, "lightloop", "dashboard", "show")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout
    refused = command(project.root, "lightloop", "sync")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "W&B wants a key: set WANDB_API_KEY" in refused.stderr
