"""A small template with two versions, and projects made from it."""

import shutil
import subprocess
from pathlib import Path

from small_project import REPOSITORY

# What a tree needs to be made a project: the engine, and what it imports.
ENGINE = ("errors.py", "files.py", "template")
PYPROJECT = """[project]
name = "lightloop"
version = "{version}"
description = "The template."
license = "MIT"
license-files = ["LICENSE"]

[tool.ruff]
line-length = 120
"""
FIRST = {
    ".gitignore": "/data\n.venv\n",
    "README.md": "# Lightloop\n\nHow it works.\n",
    "LICENSE": "MIT License\n\nCopyright (c) 2026 The Lightloop authors\n",
    "pyproject.toml": PYPROJECT.format(version="0.1.0"),
    "requirements.lock": "numpy==1.0\n",
    "dvc.yaml": "stages:\n  train:\n    cmd: lightloop train\n    deps:\n      - src/lightloop/train.py\n",
    "configs/config.yaml": "defaults:\n  - tracking: wandb\nseed: 42\nfolds: 1\n\n\n\nepochs: 3\n",
    ".github/workflows/ci.yml": "name: ci\non: push\njobs:\n  test:\n    steps:\n      - run: make check\n",
    "src/lightloop/__init__.py": '"""Lightloop: a template."""\n',
    "src/lightloop/project.py": '"""Where things are."""\n\nROOT = ".lightloop"\n',
    "src/lightloop/train.py": '"""Trains."""\n\nfrom lightloop.project import ROOT\n\nTRAINED = ROOT\n',
    "tests/test_train.py": "from lightloop.train import TRAINED\n\n\ndef test_train():\n    assert TRAINED\n",
    "CHANGELOG.md": "# Changes\n\n## 0.1.0\n\nThe first.\n",
}
SECOND = {
    "pyproject.toml": PYPROJECT.format(version="0.2.0"),
    "requirements.lock": "numpy==2.0\n",
    "configs/config.yaml": "defaults:\n  - tracking: wandb\nseed: 42\nfolds: 1\n\n\n\nepochs: 5 # more\n",
    "dvc.yaml": FIRST["dvc.yaml"] + "  gate:\n    cmd: lightloop gate\n",
    "src/lightloop/gate.py": '"""Judges, by the rule of Lightloop."""\n',
    "src/lightloop/train.py": FIRST["src/lightloop/train.py"].replace("Trains.", "Trains better."),
    "CHANGELOG.md": "# Changes\n\n## 0.2.0\n\nTo do: look at `epochs`.\n\n## 0.1.0\n\nThe first.\n",
}


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def commit(root: Path, message: str, files: dict[str, str] | None = None) -> str:
    write(root, files or {})
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)
    return git(root, "rev-parse", "HEAD").strip()


def make_template(root: Path) -> Path:
    """Its first version knows nothing of projects, as versions before 0.6.0 of the real one; its second does."""
    write(root, {".gitignore": FIRST[".gitignore"]})
    git(root, "init", "-q", "-b", "main")
    commit(root, "first", FIRST)
    copy_engine(root)
    commit(root, "second", SECOND)
    git(root, "tag", "template-v0.2.0")
    return root


def copy_engine(root: Path) -> None:
    for name in ENGINE:
        source, target = REPOSITORY / "src/lightloop" / name, root / "src/lightloop" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "minimal", "features.toml"))
        else:
            shutil.copy(source, target)
    (root / "src/lightloop/template/versions.toml").write_text("[versions]\n")
