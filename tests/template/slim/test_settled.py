"""A made project holds nothing that only its making needed."""

from pathlib import Path

from lean_trees import copied, texts_of

from lightloop.template.slim.lock import pinned
from lightloop.template.slim.markers import MARKED, START
from lightloop.template.slim.packages import declared
from lightloop.template.slim.settled import settle


def test_marks_go_and_what_stood_between_them_stays(tmp_path: Path) -> None:
    root = copied(tmp_path / "tree")
    before = texts_of(root)
    settle(root)
    after = texts_of(root)
    marked = {
        name for name, text in before.items() if name.endswith(MARKED) and any(map(START.match, text.split("\n")))
    }
    assert len(marked) > 10
    assert {name for name in before if before[name] != after[name]} == marked | {"pyproject.toml", "requirements.lock"}
    assert [
        line for name in marked for line in after[name].split("\n") if START.match(line) or line not in before[name]
    ] == []
    # All that is less are marks and the blocks that stood instead of something.
    for name in marked - {"pyproject.toml"}:
        gone = before[name].count("\n") - after[name].count("\n")
        starts = sum(1 for line in before[name].split("\n") if START.match(line))
        blocks = [line for line in before[name].split("\n") if (found := START.match(line)) and found[1] == "without"]
        assert gone == 2 * starts if not blocks else gone > 2 * starts, name


def test_packages_that_make_projects_go_from_the_lock(tmp_path: Path) -> None:
    root = copied(tmp_path / "tree")
    before = pinned((root / "requirements.lock").read_text())
    settle(root)
    assert "libcst" not in declared((root / "pyproject.toml").read_text())
    assert set(before) - set(pinned((root / "requirements.lock").read_text())) == {"libcst", "pyyaml-ft"}
    again = texts_of(root)
    settle(root)
    assert texts_of(root) == again


def test_a_project_without_a_lock_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("# of feature: wandb\nx = 1\n# end\n")
    settle(tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 1\n"
