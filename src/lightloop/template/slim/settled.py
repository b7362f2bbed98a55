"""What a project needs no more once it is made: marks of features, and packages that only make projects."""

from pathlib import Path

from lightloop.template.slim.features import read_features
from lightloop.template.slim.lock import prune
from lightloop.template.slim.markers import MARKED, without_marks
from lightloop.template.slim.packages import declared, without
from lightloop.template.slim.tree import walk

MAKING = "making"


def settle(root: Path) -> None:
    """Take both out of the tree at `root`, in place; the package still has the template's name."""
    for name in walk(root):
        path = root / name
        if not name.endswith(MARKED) or path.is_symlink():
            continue
        text = path.read_text(encoding="utf-8")
        if (plain := without_marks(text)) != text:
            path.write_text(plain, encoding="utf-8")
    project, lock = root / "pyproject.toml", root / "requirements.lock"
    if not project.exists():
        return
    text = project.read_text(encoding="utf-8")
    plain = without(text, set(read_features().features[MAKING].packages))
    if plain == text:
        return
    project.write_text(plain, encoding="utf-8")
    if lock.exists():
        name = plain.partition('\nname = "')[2].partition('"')[0]
        lock.write_text(prune(lock.read_text(encoding="utf-8"), set(declared(plain)), name)[0], encoding="utf-8")
