"""What the pages tell people to type is there: commands, options, names of the config, make's targets, files."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import commands, pages, spans, words
from small_project import REPOSITORY

import lightloop.cli  # noqa: F401 - it adds the commands
from lightloop.cli.application import app
from lightloop.config.compose import compose_config
from lightloop.errors import LightloopError
from lightloop.project import Project

GROUP = typer.main.get_command(app)
# What `lightloop sweep` and `lightloop new` made on the page before.
MADE = re.compile(r"experiment=loans-best$|.*\bown_")
WRITTEN = {"configs/experiment/loans-best.yaml", "configs/data/mine.yaml"}
# Words in capitals stand for a person's own, brackets for what may be left out; such lines are not composed.
OWN = re.compile(r"\b[A-Z]{3,}\b|[\[\]]|\.\.\.")


def typed(page: str) -> list[tuple[list[str], bool]]:
    """Each call of `lightloop` on a page, in blocks and within the text; and whether it stands in a block."""
    found = [(call, True) for line in commands(page) for call in words(line, "lightloop")]
    return found + [(call, False) for span in spans(page) for call in words(span, "lightloop")]


def refusal(call: list[str]) -> str | None:
    """Why the command line would not take these words; None where it does. Nothing is run."""
    command: Any = GROUP
    context = typer.Context(command)
    call = [word.strip("[]") for word in call if word not in ("...", "…")]
    while hasattr(command, "commands"):
        if not call or call[0].startswith("-"):
            return None
        if call[0] not in command.commands:
            return f"no command {call[0]!r}"
        command, call = command.commands[call[0]], call[1:]
        context = typer.Context(command, info_name="lightloop", parent=context)
    known = {option: one for one in command.params for option in getattr(one, "opts", [])}
    for word in call:
        if word.startswith("--") and word.partition("=")[0] not in {*known, "--help"}:
            return f"no option {word!r}"
    return None


def overrides(call: list[str]) -> list[str] | None:
    """What of a call goes to the config; None where it is not for us to compose."""
    if not call or call[0] not in ("run", "config", "sweep") or any(OWN.search(word) for word in call):
        return None
    found, skip = [], False
    for word in call[1:]:
        if not skip and not word.startswith("-"):
            found.append(word)
        skip = word in ("--until",)
    sweep = ("sampler=", "pruner=", "trials=", "sweep=")
    return [word for word in found if call[0] != "sweep" or not word.startswith(sweep)]


def adopted(page: str) -> set[str]:
    """The experiments that `lightloop adopt` makes on a page: the name that it is told, else that of the file."""
    found = set()
    for call, _ in typed(page):
        if call[:1] == ["adopt"] and len(call) > 1:
            name = call[call.index("--name") + 1] if "--name" in call else Path(call[1].rpartition("=")[2]).stem
            found.add(f"experiment={name}")
    return found


@cache
def fault(told: tuple[str, ...]) -> str | None:
    """What the config says against these overrides."""
    try:
        compose_config(Project(REPOSITORY), told)
    except LightloopError as error:
        return str(error)
    return None


@pytest.mark.parametrize("page", pages())
def test_every_command_exists_with_its_options(page: str) -> None:
    assert [f"{' '.join(call)}: {why}" for call, _ in typed(page) if (why := refusal(call))] == []


def test_a_command_that_is_not_there_is_found() -> None:
    assert refusal(["run", "--until", "train"]) is None
    assert refusal(["runn"]) == "no command 'runn'"
    assert refusal(["run", "--untill", "train"]) == "no option '--untill'"
    assert refusal(["remote", "sett", "storage"]) == "no command 'sett'"


@pytest.mark.parametrize("page", pages())
def test_every_override_composes(page: str) -> None:
    made, found = adopted(page), []
    for call, in_block in typed(page):
        told = overrides(call)
        if (
            in_block
            and told
            and not any(MADE.match(word) or word in made for word in told)
            and (why := fault(tuple(told)))
        ):
            found.append(f"{' '.join(call)}: {why}")
    assert found == []


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    told = {
        (page, call[0])
        for page in pages()
        for line in [*commands(page), *spans(page)]
        for call in words(line, "make")
        if call and re.fullmatch(r"[a-z-]+", call[0])
    }
    assert len(told) > 10
    assert [one for one in sorted(told) if one[1] not in targets] == []


def test_every_file_that_a_page_names_is_there() -> None:
    """Paths between backticks, from a folder of the repository on; a part in capitals makes a pattern of one."""
    tops = ("src", "configs", "tests", "docs", "scripts", "benchmarks", "deploy", ".github", "notebooks")
    missing = []
    for page in pages():
        if page == "CHANGELOG.md" or page.startswith("docs/decisions"):
            continue  # history: names of its time
        for span in spans(page):
            path = re.split(r"[ :]", span)[0]
            if path.split("/")[0] in tops and "/" in path and not re.search(r"[A-Z*<{]{2,}|[*<{]|NAME|\.\.\.", path):
                missing += [] if (REPOSITORY / path).exists() or path in WRITTEN else [f"{page}: {path}"]
    assert missing == []


def test_every_program_of_ours_is_there() -> None:
    called = {
        word
        for page in pages()
        for line in [*commands(page), *spans(page)]
        for call in words(line, "python")
        for word in call[:1]
        if word.endswith(".py")
    }
    assert called
    assert [name for name in sorted(called) if not (REPOSITORY / name).is_file()] == []
