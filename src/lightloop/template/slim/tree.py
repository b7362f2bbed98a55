"""The files of a tree: what is Python, what is text, and under which names Python imports it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Nothing of a project stands there, or nothing that is read.
SKIPPED = {
    ".git", ".venv", "storage", "wandb", ".lightloop", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".import_linter_cache", ".hypothesis", "node_modules",
}  # fmt: skip
TOPS = ("data", "reports", "artifacts")
# Whose files are imported from where: packages, and folders of which each file is a module.
ROOTS = ("src/", "tests/", "benchmarks/", "scripts/", "docs/")


@dataclass(frozen=True)
class Source:
    """A file of Python: its path, its module's dotted name, and the package that relative imports start from."""

    path: str
    module: str
    package: str

    @property
    def test(self) -> bool:
        return self.path.startswith("tests/")


def walk(root: Path) -> Iterator[str]:
    """Every file of the tree that a person or a tool wrote, relative and with slashes, in order."""
    for path in sorted(root.iterdir()):
        if path.name in SKIPPED or (path.is_dir() and path.name in TOPS):
            continue
        yield from _below(root, path)


def _below(root: Path, path: Path) -> Iterator[str]:
    if path.is_symlink() or path.is_file():
        yield path.relative_to(root).as_posix()
    elif path.is_dir() and path.name not in SKIPPED:
        for inner in sorted(path.iterdir()):
            if inner.name not in SKIPPED and inner.suffix != ".pyc":
                yield from _below(root, inner)


def source(path: str) -> Source | None:
    """The module that a file is, or None where it is none."""
    if not path.endswith(".py"):
        return None
    home = next((root for root in ROOTS if path.startswith(root)), "")
    parts = list(PurePosixPath(path.removeprefix(home)).with_suffix("").parts)
    inside = parts[-1] == "__init__"
    if inside:
        parts.pop()
    module = ".".join(parts)
    return Source(path, module, module if inside else module.rpartition(".")[0])


def words_of(text: str) -> dict[str, int]:
    """How often each name-like word stands in a text."""
    found: dict[str, int] = {}
    for word in re.findall(r"[A-Za-z_]\w*", text):
        found[word] = found.get(word, 0) + 1
    return found
