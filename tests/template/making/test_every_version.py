"""From every version of the template to every later one: typical changes are kept, the rest comes in."""

from itertools import combinations
from pathlib import Path

import pytest
from small_project import REPOSITORY
from template_world import commit, git

from lightloop.template.making.naming import Name
from lightloop.template.making.render import rename
from lightloop.template.repository import export
from lightloop.template.source import Template, open_template
from lightloop.template.update import update
from lightloop.template.versions import Version

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0")
# What a person and the template change in neighbouring lines: git shows it, and nobody else can decide.
SHARED = {".github/workflows/ci.yml", "configs/config.yaml", "dvc.yaml", "pyproject.toml"}
OWN = {
    "src/churn_at_acme/networks/mine.py": '"""My network."""\n',
    "configs/network/mine.yaml": "name: mine\n",
    "src/churn_at_acme/stages/publish_table.py": '"""My stage."""\n',
}
STAGE = "\n  publish_table:\n    cmd: churn-at-acme publish-table\n    outs:\n      - artifacts/table.csv\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """This repository as it is committed: its history holds all versions."""
    return open_template(str(REPOSITORY), tmp_path_factory.mktemp("scratch"), REPOSITORY)


def make_old(template: Template, version: Version, root: Path) -> None:
    """What somebody has who cloned that version, renamed it, and worked with it."""
    export(template.repository, template.versions[version], root)
    rename(root, Name("Churn at Acme"))
    git(root, "init", "-q", "-b", "main")
    commit(root, "start")
    stages, workflow, config = (root / name for name in ("dvc.yaml", ".github/workflows/ci.yml", "configs/config.yaml"))
    changed = {
        "dvc.yaml": stages.read_text().rstrip("\n") + STAGE,
        ".github/workflows/ci.yml": workflow.read_text() + "      - name: Mine\n        run: echo mine\n",
        "configs/config.yaml": config.read_text().replace("seed: 42", "seed: 7"),
    }
    commit(root, "mine", OWN | changed)


def test_the_versions_are_all_there(template: Template):
    assert tuple(map(str, template.versions)) == VERSIONS, "a new one is updated to from all others: name it above"


@pytest.mark.parametrize(("before", "after"), list(combinations(VERSIONS, 2)))
def test_every_path(template: Template, before: str, after: str, tmp_path: Path):
    root = tmp_path / "project"
    make_old(template, Version.read(before), root)
    done = update(root, since=before, to=after, address=str(REPOSITORY))
    assert done is not None
    assert (str(done.before), str(done.after)) == (before, after)
    assert set(done.conflicts) <= SHARED
    for name, text in OWN.items():
        assert (root / name).read_text() == text
    assert "cmd: churn-at-acme publish-table" in (root / "dvc.yaml").read_text()
    assert "echo mine" in (root / ".github/workflows/ci.yml").read_text()
    assert "seed: 7" in (root / "configs/config.yaml").read_text()
    for path in (root / "src").rglob("*.py"):
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    assert not (root / "src/lightloop").exists()
