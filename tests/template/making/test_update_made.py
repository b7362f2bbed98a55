"""From this version on: what `init` made is updated to the next one, whole or minimal, and keeps what is its own."""

import json
import re
import sys
from pathlib import Path

import pytest
from loop_world import whole_clone
from made_projects import run
from small_project import REPOSITORY
from template_world import commit, git

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
OWN = {"src/{package}/mine.py": '"""Mine."""\n', "configs/network/mine.yaml": "name: mine\n"}
VERSION = re.search(r'^version = "(\d+)\.(\d+)\.(\d+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
assert VERSION
NOW, NEXT = ".".join(VERSION.groups()), f"{VERSION[1]}.{int(VERSION[2]) + 1}.0"
# What the next version changes, each beside something that both kinds of project have.
CHANGES = {
    "src/lightloop/errors.py": ("class LightloopError(", "NEW = 1  # of Lightloop\n\n\nclass LightloopError("),
    "src/lightloop/template/minimal/loop/task.py": ('"""', '"""New. '),
    "src/lightloop/template/minimal/Makefile": ("run:", "new: ## of the next version\n\t@echo new\n\nrun:"),
    "src/lightloop/networks/mlp.py": ('"""', '"""New. '),
    "configs/optimizer/adamw.yaml": ("\n", " # of the next version\n"),
    "pyproject.toml": (f'version = "{NOW}"', f'version = "{NEXT}"'),
    "CHANGELOG.md": ("\n## ", f"\n## {NEXT}\n\nTo do: look at `NEW`.\n\n## "),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The template at its next version, and projects that were made before, with changes of their own."""
    folder = tmp_path_factory.mktemp("next")
    template = whole_clone(folder / "lightloop").root
    (template / ".venv").unlink()
    found = {"template": template}
    for name, options in {"Churn at Acme": (), "Small One": ("--minimal",)}.items():
        package = name.lower().replace(" ", "_")
        root = folder / package
        git(folder, "clone", "-q", str(template), str(root))
        words = ("init", "--yes", "--name", name, "--author", "Acme Ltd", *options)
        run(root, sys.executable, "-m", "lightloop", *words)
        own = {place.format(package=package): text for place, text in OWN.items()}
        ignored = {".gitignore": (root / ".gitignore").read_text() + "/mine\n"}
        commit(root, "mine", own | ignored)
        found[package] = root
    changed = {}
    for place, (old, new) in CHANGES.items():
        text = (template / place).read_text()
        assert old in text, place
        changed[place] = text.replace(old, new, 1)
    commit(template, "the next version", changed | {"src/lightloop/next.py": '"""Of Lightloop\'s next version."""\n'})
    return found


def test_the_whole_project_updates_itself(made: dict[str, Path]):
    root = made["churn_at_acme"]
    said = run(root, sys.executable, "-m", "churn_at_acme", "update")
    assert f"{NOW} -> {NEXT}" in said
    assert "To do: look at `NEW`." in said
    assert "NEW = 1  # of Churn at Acme" in (root / "src/churn_at_acme/errors.py").read_text()
    assert (root / "src/churn_at_acme/next.py").read_text() == '"""Of Churn at Acme\'s next version."""\n'
    assert "New." in (root / "src/churn_at_acme/networks/mlp.py").read_text()
    assert "# of the next version" in (root / "configs/optimizer/adamw.yaml").read_text()
    # A project of its own has its own version.
    assert 'version = "0.1.0"' in (root / "pyproject.toml").read_text()
    assert kept(root, "churn_at_acme")
    assert not (root / "src/lightloop").exists()
    assert not (root / "CHANGELOG.md").exists()


def test_the_small_project_is_updated_from_a_clone_of_the_template(made: dict[str, Path]):
    root, template = made["small_one"], made["template"]
    said = run(template, sys.executable, "-m", "lightloop", "update", "--project", str(root))
    assert f"{NOW} -> {NEXT}" in said
    assert "NEW = 1  # of Small One" in (root / "src/small_one/errors.py").read_text()
    assert "New." in (root / "src/small_one/task.py").read_text()
    assert "new: ## of the next version" in (root / "Makefile").read_text()
    assert kept(root, "small_one")
    # Nothing of the whole template came along.
    assert not (root / "src/small_one/next.py").exists()
    assert not (root / "src/small_one/networks").exists()


def kept(root: Path, package: str) -> bool:
    """Whether what is its own is as it was, what came is staged, and the record says where it comes from."""
    record = json.loads((root / ".template.json").read_text())
    assert record["version"] == NEXT
    assert git(root, "diff", "--name-only") == ""
    assert git(root, "diff", "--name-only", "--diff-filter=U") == ""
    assert "/mine\n" in (root / ".gitignore").read_text()
    return all((root / place.format(package=package)).read_text() == text for place, text in OWN.items())
