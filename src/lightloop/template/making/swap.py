"""Put a tree that was made beside a project into its place: `python swap.py FOLDER`, which needs nothing but Python.

The folder lies in the project and holds `plan.json`, the new files in `new/`, and takes the old ones in `old/`. Each
step is one rename, and each is passed over when it was done already: whoever kills it runs it again, and it goes on
where it was. Nothing is deleted before everything is in its place.
"""

import json
import shutil
import sys
from pathlib import Path


def swap(scratch: Path) -> None:
    """Finish what `plan.json` says; doing it twice does it once."""
    root, new, old = scratch.parent, scratch / "new", scratch / "old"
    plan = json.loads((scratch / "plan.json").read_text(encoding="utf-8"))
    placed = set(plan["place"])
    for name in plan["remove"]:
        # A file of the same name may be the new one already: then the old one lies in `old/`.
        gone = (old / name).exists() or (old / name).is_symlink()
        waits = (new / name).exists() or (new / name).is_symlink() or name not in placed
        if not gone and waits:
            _move(root / name, old / name)
    for name in plan["place"]:
        _move(new / name, root / name)
    for name in plan["folders"]:
        _drop_empty(root / name)
    for before, after in plan["rename"]:
        if not (root / after).exists():
            _move(root / before, root / after)
    if (new / ".git").exists():
        if not (old / ".git").exists():
            _move(root / ".git", old / ".git")
        _move(new / ".git", root / ".git")
    if plan["keep_history"] and (old / ".git").exists():
        _move(old / ".git", root / ".git" / "before-init")
    # From here on nothing is lost any more: a rest that stays is a rest, and lies where nobody looks.
    done = root / ".git" / "template-init-done"
    shutil.rmtree(done, ignore_errors=True)
    scratch.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    if source.exists() or source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def _drop_empty(folder: Path) -> None:
    """Remove a folder in which nothing is left but byte code."""
    if folder.is_dir() and all(entry.name == "__pycache__" for entry in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    swap(Path(sys.argv[1]).resolve())
