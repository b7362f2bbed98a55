"""AGENTS.md is true: its commands run."""

import re
import shlex

import pytest
from claims import ELSEWHERE
from loop_world import command, make_repository, make_would
from pages import commands
from small_project import REPOSITORY, SMALL

PAGE = (REPOSITORY / "AGENTS.md").read_text(encoding="utf-8")
# Targets of make are asked what they would do: they run other tests, or the network.
ASKED = {
    "make environment": "",
    "make run": "lightloop run",
    "make format": "ruff format",
    "make check": "mypy",
    "make test": "pytest",
    "make docs": "sphinx-build",
}


def told(program: str) -> list[str]:
    return [line for line in commands("AGENTS.md") if shlex.split(line)[0] == program]


def test_every_command_is_of_a_kind_that_is_run_here() -> None:
    assert {shlex.split(line)[0] for line in commands("AGENTS.md")} == {"make", ".", "lightloop", "pytest"}
    assert set(told("make")) == set(ASKED)


@pytest.mark.parametrize(("line", "does"), ASKED.items())
def test_make_would_do_it(line: str, does: str) -> None:
    assert does in make_would(line)


def test_what_rehearsal_md_says_is_run_too() -> None:
    asked = {"make rehearse": "python -m rehearsal short", "make rehearse-long": "python -m rehearsal long"}
    assert set(commands("docs/rehearsal.md")) == {*asked, *ELSEWHERE["docs/rehearsal.md"]}
    for line, does in asked.items():
        assert does in make_would(line)


def test_it_has_what_an_assistant_looks_for() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == ["Commands", "Where things go", "Rules", "Done means"]
    assert len(PAGE.splitlines()) < 120, "short enough to be read whole"
    # What the tools enforce is said as they have it.
    settings = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert "line-length = 120" in settings
    assert "at most 120 columns" in PAGE


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_its_commands_run(tmp_path) -> None:
    project = make_repository(tmp_path / "project")
    for line in told("lightloop"):
        words = shlex.split(line)
        if "loans" in line:
            continue  # its data are not in the small project: tests/test_experiments.py runs the experiments
        small = [word for word in SMALL if words[1] == "run" and word.split("=")[0] not in line]
        done = command(project.root, *words, *small)
        assert done.returncode in {0, 3}, f"{line}: {done.stdout}{done.stderr}"
    for line in told("pytest"):
        done = command(REPOSITORY, *shlex.split(line), "--collect-only", "-p", "no:cacheprovider")
        assert done.returncode == 0, f"{line}: {done.stdout[-2000:]}"
        assert "::" in done.stdout
