"""Updates as docs/update.md has them; what can't be updated is one sentence, and stays as it is."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pages import commands
from small_project import REPOSITORY

from lightloop.errors import LightloopError, UsageError
from lightloop.template.record import RECORD
from lightloop.template.update import update
from lightloop.template.versions import PACKAGE


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src/churn").mkdir(parents=True)
    (root / "src/churn/project.py").write_text("")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    return root


def test_what_is_no_project_or_template_is_one_sentence(project: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"has no \.template\.json, .+ say --from VERSION"):
        update(project)
    with pytest.raises(UsageError, match=r"does not say where the template lies: say --template URL"):
        update(project, since="0.1.0")
    with pytest.raises(UsageError, match=r"three numbers such as 0\.6\.0, but this is 'old'"):
        update(project, since="old", address=str(project))
    with pytest.raises(LightloopError, match=r"the template can't be fetched from .+nowhere"):
        update(project, since="0.1.0", address=str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="the template's history holds no version: is it the template's repository"):
        update(project, since="0.1.0", address=str(project))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is not a git repository: --template names the template's"):
        update(project, since="0.1.0", address=str(tmp_path / "empty"))
    with pytest.raises(UsageError, match="is not a git repository: an update is a merge"):
        update(tmp_path / "empty", since="0.1.0", address=str(project))
    (project / RECORD).write_text("{}")
    with pytest.raises(LightloopError, match="does not say which template the project is made from"):
        update(project)


def test_what_is_not_committed_is_refused(project: Path):
    (project / "src/churn/project.py").write_text("mine")
    with pytest.raises(UsageError, match=r"1 files are changed and not committed \(such as src/churn/project\.py\)"):
        update(project, since="0.1.0", address=str(project))


def test_a_password_in_the_address_is_not_shown(project: Path):
    address = "https://me:secret@localhost:1/template.git"  # pragma: allowlist secret
    with pytest.raises(LightloopError, match=r"can't be fetched from https://localhost:1/template\.git") as caught:
        update(project, since="0.1.0", address=address)
    assert "secret" not in str(caught.value)


@pytest.fixture
def clones(tmp_path: Path) -> tuple[Path, Path]:
    """A template of two versions, and a project that was cloned at the first."""
    template, churn = tmp_path / "template", tmp_path / "churn"
    (template / f"src/{PACKAGE}").mkdir(parents=True)
    (template / f"src/{PACKAGE}/project.py").write_text("")
    (template / "configs").mkdir()
    (template / "dvc.yaml").write_text("stages: {}\n")
    git(template, "init", "-q", "-b", "main")
    for version, text in (("0.1.0", "one\n"), ("0.2.0", "two\n")):
        (template / "pyproject.toml").write_text(f'version = "{version}"\n')
        (template / "configs/a.yaml").write_text(text)
        (template / "CHANGELOG.md").write_text(f"## {version}\n\nTo do: look at {text}")
        git(template, "add", "-A")
        git(template, "commit", "-qm", version)
    git(tmp_path, "clone", "-q", str(template), "churn")
    git(churn, "reset", "-q", "--hard", "HEAD~1")
    return template, churn


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in commands("docs/update.md") if line.startswith("lightloop update")])
def test_the_commands_of_the_page(line: str, clones: tuple[Path, Path]):
    template, churn = clones
    words = shlex.split(line, comments=True)[1:]
    words = [{"0.5.0": "0.1.0", "0.6.0": "0.2.0"}.get(word, word) for word in words]
    words = [str(template) if word.startswith("https://") else word for word in words]
    if "--from" in words:
        words += ["--template", str(template)]
    else:
        record = {"template": str(template), "version": "0.1.0", "commit": "", "answers": None}
        (churn / RECORD).write_text(json.dumps(record))
        git(churn, "add", "-A")
        git(churn, "commit", "-qm", "record")
    done = subprocess.run(
        [sys.executable, "-m", "lightloop", *words],
        cwd=template if "--project" in words else churn,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "0.1.0 -> 0.2.0" in done.stdout
    assert "To do: look at two" in done.stdout
    assert (churn / "configs/a.yaml").read_text() == "two\n"
