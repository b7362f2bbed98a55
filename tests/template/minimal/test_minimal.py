"""The small project: how large it is, and that it stands by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lightloop.template.making.answers import make_answers
from lightloop.template.making.render import render
from lightloop.template.minimal.small import HERE, SAME, make_small, small_files
from lightloop.template.slim.features import read_features
from lightloop.template.slim.lock import pinned
from lightloop.template.slim.packages import declared, imported, names_of

REPOSITORY = Path(__file__).parents[3]
LINES = 2470  # `data.dvc` and `.template.json` come on top: under 2,500 in all
PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return small_files(REPOSITORY)


def test_it_is_under_2500_lines_in_all(files: dict[str, bytes]) -> None:
    lines = {name: content.count(b"\n") for name, content in files.items() if not name.endswith(".lock")}
    assert sum(lines.values()) < LINES, sorted(lines.items(), key=lambda item: -item[1])[:10]


def test_dvc_takes_its_pipeline_for_none_of_the_template() -> None:
    """Else `dvc pull` and `dvc checkout` end with an error in a clone: nobody ever made its outputs."""
    done = subprocess.run(
        [PROGRAMS / "dvc", "stage", "list", "--all", "--name-only", "--quiet"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "train" in done.stdout.split()
    assert "minimal" not in done.stdout


def test_it_names_nothing_that_it_does_not_have(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        assert b"template.minimal" not in content, name
    modules = {f"lightloop.{Path(name).stem}" for name in files if name.startswith("src/")} | {"lightloop"}
    texts = {name: content.decode() for name, content in files.items() if name.endswith(".py")}
    ours = {name for name in imported(texts) if name.startswith("lightloop.") and name.count(".") == 1}
    assert ours <= modules


def test_every_package_that_it_declares_is_used_and_pinned(files: dict[str, bytes]) -> None:
    features = read_features()
    project = files["pyproject.toml"].decode()
    used = imported({name: content.decode() for name, content in files.items() if name.endswith(".py")})
    for name in declared(project):
        assert name in pinned(files["requirements.lock"].decode()), name
        assert name in features.tools or used & set(names_of(name, features)), f"{name} is not used"


def test_its_lock_is_smaller(files: dict[str, bytes]) -> None:
    whole = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    assert set(pinned(files["requirements.lock"].decode())) < set(pinned(whole))


def test_it_tracks_nothing_where_that_was_answered(tmp_path: Path) -> None:
    for name in (*SAME, "requirements.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copytree(REPOSITORY / HERE, tmp_path / HERE, ignore=shutil.ignore_patterns("__pycache__"))
    given = {"name": "Churn", "author": "Acme", "minimal": True, "tracking": "none"}
    render(tmp_path, make_answers(given), "0.6.0")
    params = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    assert params["tracking"] == {"project": "churn", "mode": "disabled"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project as somebody gets it, with its data, under git and DVC."""
    root = tmp_path_factory.mktemp("small") / "project"
    skip = shutil.ignore_patterns(
        "data", "storage", "artifacts", "reports", "wandb", "__pycache__", ".*_cache", ".git", ".venv"
    )
    shutil.copytree(REPOSITORY, root, ignore=skip)
    make_small(root)
    (root / "data.dvc").unlink()
    shutil.copytree(REPOSITORY / "data" / "loans", root / "data" / "loans")
    run(root, "git", "init", "-q", "-b", "main")
    run(root, "dvc", "add", "-q", "data")
    run(root, "git", "add", "-A")
    run(root, "git", "commit", "-qm", "start")
    return root


def run(root: Path, *words: str, code: int = 0) -> str:
    """A command in the project, whose own package is found first."""
    environment = os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PYTHONPATH": str(root / "src")}
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_it_passes_its_own_check_and_tests(project: Path) -> None:
    run(project, "ruff", "format", "--check", ".")
    run(project, "ruff", "check", ".")
    run(project, "mypy")
    run(project, "pytest", "-p", "no:cacheprovider")


@pytest.mark.slow
def test_its_loop_runs_releases_and_then_compares_with_the_release(project: Path) -> None:
    said = run(project, "lightloop", "run")
    assert "gate       accepted" in said
    run(project, "lightloop", "register", "--promote", "production")
    assert "production" in run(project, "lightloop", "releases")
    params = project / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("seed: 42", "seed: 43"), encoding="utf-8")
    run(project, "git", "commit", "-qam", "another seed")
    assert "v0.0.1" in (
        run(project, "lightloop", "run") and (project / "artifacts/gate.json").read_text(encoding="utf-8")
    )
    params.write_text(params.read_text(encoding="utf-8").replace("auroc: 0.62", "auroc: 0.99"), encoding="utf-8")
    assert "asked for is at least 0.99" in run(project, "lightloop", "run", code=3)
