"""The commands of docs/data.md about collected records and of docs/ml-test-score.md are run here."""

import re
import shutil
from pathlib import Path

import pytest
from log_world import START, applicants, table_project, write_answers
from registry_world import DVC_CONFIG, dvc, git

from lightloop.cli import application as command_line
from lightloop.clock import VARIABLE
from lightloop.project import Project

PAGES = {"data.md": "## Collected records", "ml-test-score.md": "# "}


def commands(repository: Project, page: str) -> list[str]:
    """The commands of ours that stand in blocks of a page, from a title on."""
    text = (repository.root / "docs" / page).read_text(encoding="utf-8")
    text = text[text.index(PAGES[page]) :]
    return [re.sub(r"\s{2,}#.*", "", line).strip() for line in re.findall(r"^ {4}(lightloop .*)$", text, re.MULTILINE)]


def test_every_link_of_the_pages_is_there(repository: Project) -> None:
    for page in ("ml-test-score.md",):
        text = (repository.root / "docs" / page).read_text(encoding="utf-8")
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
        assert [link for link in links if not (repository.root / "docs" / link).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", list(PAGES))
def test_the_commands_run(
    tmp_path: Path, repository: Project, page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table_project(tmp_path, repository)
    for folder in repository.configs.iterdir():
        if not (tmp_path / "configs" / folder.name).exists():
            (shutil.copytree if folder.is_dir() else shutil.copy)(folder, tmp_path / "configs" / folder.name)
    shutil.copy(repository.root / "dvc.yaml", tmp_path)
    git(tmp_path, "init", "--quiet")
    dvc(tmp_path, "init", "--quiet")
    (tmp_path / ".dvc/config").write_text(DVC_CONFIG)
    (tmp_path / ".gitignore").write_text("/data\n/.lightloop\n/reports\n")
    dvc(tmp_path, "add", "--quiet", "data")
    dvc(tmp_path, "push", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "start")
    write_answers(tmp_path, *applicants(40))
    (tmp_path / "clock").write_text(str(START.timestamp() + 86_400))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "clock"))
    monkeypatch.chdir(tmp_path)
    told = commands(repository, page)
    assert told
    for command in told:
        monkeypatch.setattr("sys.argv", command.split())
        command_line.main()
        assert capsys.readouterr().out
