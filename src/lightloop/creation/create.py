"""Writing a new piece: all of it or nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightloop.config.signature import PACKAGE
from lightloop.creation.pieces import Piece
from lightloop.errors import LightloopError, UsageError
from lightloop.files import write_text
from lightloop.project import Project

PAGE = "docs/components.md"


def create(project: Project, piece: Piece) -> list[str]:
    """Write the files of a piece, what it adds to others, and what is generated: the page of components, params.yaml.

    Args:
        project: whose code, configs and tests.
        piece: to write.

    Returns:
        The files that were written or changed, relative to the project.

    Raises:
        UsageError: a file of it is there already, or the project holds no code; nothing was written.
        LightloopError: the command line does not run with the new piece; nothing is left of it.
    """
    root = project.root
    if not (root / "src" / PACKAGE.name).is_dir():
        raise UsageError(f"{root} holds no src/{PACKAGE.name}, which a new {piece.kind} is a file of")
    for name in piece.files:
        if (root / name).exists():
            raise UsageError(f"{name} is there already: call the new {piece.kind} something else")
    # Computed before the first one is written: an edit that can't be made stops everything.
    contents = {name: edit((root / name).read_text(encoding="utf-8")) for name, edit in piece.edits.items()}
    contents = piece.files | contents
    generated = {"page": PAGE, "params": project.relative(project.params)}
    generated = {what: name for what, name in generated.items() if (root / name).exists()}
    with _all_or_nothing(root, [*contents, *generated.values()]):
        for name, content in contents.items():
            write_text(root / name, content)
        listed = _listed(root)
        anew = [name for what, name in generated.items() if write_text(root / name, listed[what])]
    return [*contents, *anew]


@contextmanager
def _all_or_nothing(root: Path, names: list[str]) -> Iterator[None]:
    """Put files back as they were, and remove new ones, when the block raises; also on Ctrl-C."""
    before = {name: (root / name).read_bytes() if (root / name).exists() else None for name in names}
    folders = [folder for name in names for folder in (root / name).parents if not folder.exists()]
    try:
        yield
    except BaseException:
        for name, content in before.items():
            if content is None:
                (root / name).unlink(missing_ok=True)
            else:
                (root / name).write_bytes(content)
        for folder in folders:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _listed(root: Path) -> dict[str, str]:
    """What is generated from code and configs, as it is now; see `listed`."""
    path = os.pathsep.join(filter(None, [str(root / "src"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", f"{PACKAGE.name}.creation.listed"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LightloopError(f"nothing was written, since the project can't be listed with it ({said})")
    found: dict[str, str] = json.loads(done.stdout)
    return found
