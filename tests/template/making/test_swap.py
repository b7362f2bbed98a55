"""Files change places all or not at all, whenever it is killed."""

import json
from pathlib import Path

import pytest

from lightloop.template.making.swap import swap

OLD = {"a.txt": "old a", "pkg/b.py": "old b", "pkg/deep/c.py": "c", ".git/HEAD": "old"}
NEW = {"a.txt": "new a", "other/b.py": "new b", ".git/HEAD": "new"}


class KilledError(Exception):
    """Stands for a kill between two steps."""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def prepare(root: Path, *, keep: bool) -> Path:
    write(root, OLD)
    write(root, {"pkg/__pycache__/b.pyc": "", "mine.txt": "nobody's", ".old/runs": "1"})
    scratch = root / ".template-init"
    write(scratch / "new", NEW)
    plan = {
        "remove": [name for name in OLD if not name.startswith(".git")],
        "place": [name for name in NEW if not name.startswith(".git")],
        "folders": ["pkg/deep", "pkg"],
        "rename": [[".old", ".new"]],
        "keep_history": keep,
    }
    (scratch / "plan.json").write_text(json.dumps(plan))
    return scratch


def content(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("keep", [True, False])
def test_killed_after_any_step_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool):
    expected = NEW | {"mine.txt": "nobody's", ".new/runs": "1"} | ({".git/before-init/HEAD": "old"} if keep else {})
    real = Path.rename
    for steps in range(1, 40):
        root = tmp_path / str(steps)
        scratch = prepare(root, keep=keep)
        left = iter(range(steps))

        def counted(self: Path, target: Path, left=left) -> Path:
            if next(left, None) is None:
                raise KilledError
            return real(self, target)

        monkeypatch.setattr(Path, "rename", counted)
        try:
            swap(scratch)
            finished = True
        except KilledError:
            finished = False
            found = content(root)
            everything = {*OLD.values(), *NEW.values(), "nobody's", "1"}
            assert everything <= set(found.values()), "something was lost on the way"
        monkeypatch.setattr(Path, "rename", real)
        if not finished:
            swap(scratch)
        assert content(root) == expected, steps
        if finished:
            assert steps > 8
            return
    pytest.fail("it never came to an end")
