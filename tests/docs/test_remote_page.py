"""The commands of docs/remote.md run, or are run elsewhere."""

import shlex
from pathlib import Path

import pytest
from loop_world import command, make_repository
from pages import commands
from small_project import REPOSITORY

# Not run here, and where else.
REASONS = {"lightloop remote set s3://bucket/prefix": "tests/release/test_remotes.py"}
PAGE = "docs/remote.md"


def told() -> list[str]:
    return [line for line in commands(PAGE) if line.startswith("lightloop ")]


def test_what_is_not_run_here_is_tested_elsewhere() -> None:
    assert set(REASONS) < set(told())
    for place in REASONS.values():
        assert "set_remote(" in (REPOSITORY / place).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_commands_run(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    for line in told():
        if line not in REASONS:
            done = command(project.root, *shlex.split(line))
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            assert "storage" in done.stdout
