"""The small project, of a tree of the template: files of its own here, the rest as they stand in the large one."""

import shutil
import subprocess
import sys
from pathlib import Path

from lightloop.template.slim.lock import prune
from lightloop.template.slim.packages import declared

HERE = "src/lightloop/template/minimal"
OWN = "lightloop.template.minimal.loop"
# What both have, letter by letter.
SAME = (
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvcignore",
    ".gitattributes",
    ".gto",
    "LICENSE",
    "scripts/setup.sh",
    "src/lightloop/errors.py",
    "src/lightloop/files.py",
)
# Where its own files go; folders with everything in them.
PLACES = {
    "Makefile": "Makefile",
    "README.md": "README.md",
    "configs": "configs",
    "dvc.yaml": "dvc.yaml",
    "github/retrain.yml": ".github/workflows/retrain.yml",
    "gitignore": ".gitignore",
    "loop": "src/lightloop",
    "params.yaml": "params.yaml",
    "pyproject.toml": "pyproject.toml",
    "tests": "tests",
}
# Data and what holds them: made smaller by who makes the project.
KEPT = ("data.dvc", "storage", "data", ".git", ".venv")


def make_small(root: Path) -> None:
    """Make the tree at `root` the small project, in place; its package still has the template's name.

    Data are not looked at: `data.dvc` and `storage/` stay as they are.

    Args:
        root: of a copy of the template's tree that may be changed.
    """
    files = small_files(root)
    for path in sorted(root.iterdir()):
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, content in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    program = Path(sys.executable).parent / "ruff"
    for words in (
        ("check", "--no-cache", "--select", "I", "--fix", "--quiet", "--exit-zero"),
        ("format", "--no-cache", "--quiet"),
    ):
        subprocess.run([program, *words, "src", "tests"], cwd=root, check=False, capture_output=True)


def small_files(root: Path) -> dict[str, bytes]:
    """Every file of the small project but its data, by path."""
    files = {name: (root / name).read_bytes() for name in SAME}
    for source, target in PLACES.items():
        start = root / HERE / source
        for path in [start] if start.is_file() else sorted(start.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                place = target if start.is_file() else f"{target}/{path.relative_to(start).as_posix()}"
                files[place] = path.read_bytes().replace(OWN.encode(), b"lightloop")
    names = set(declared(files["pyproject.toml"].decode()))
    lock, _ = prune((root / "requirements.lock").read_text(encoding="utf-8"), names, "lightloop")
    files["requirements.lock"] = lock.encode()
    return files
