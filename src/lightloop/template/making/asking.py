"""Answers from a file, from options, or from the person at the keyboard."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightloop.errors import UsageError
from lightloop.template.making.answers import EMBEDDED, KEPT, TESTED, Answers, make_answers, read_answers, require_name
from lightloop.template.making.demos import DEMOS
from lightloop.template.making.naming import TEMPLATE
from lightloop.template.repository import git_or_none


@dataclass(frozen=True)
class Given:
    """What was said on the command line.

    Attributes:
        file: of answers.
        name: of the project.
        author: of the project.
        leave_out: features, with commas.
        yes: whether nothing is to be asked.
        minimal: whether the small project is wanted, which has fewer questions.
    """

    file: Path | None
    name: str | None
    author: str | None
    leave_out: str | None
    yes: bool
    minimal: bool = False


def ask(given: Given, root: Path) -> Answers:
    """Everything that a project needs to know.

    Args:
        given: on the command line; it wins over the file.
        root: of the clone, whose name and owner are the defaults.

    Raises:
        UsageError: an answer is wrong, or can't be asked for.
    """
    said: dict[str, Any] = read_answers(given.file) if given.file else {}
    for key in ("name", "author"):
        if getattr(given, key) is not None:
            said[key] = getattr(given, key)
    if given.leave_out is not None:
        said["leave_out"] = _words(given.leave_out)
    if given.minimal:
        said["minimal"] = True
    where = str(given.file) if given.file else "the answers"
    if given.file or given.yes:
        missing = {"name": _default_name(root), "author": _default_author(root)} if given.yes else {}
        said = {key: value for key, value in missing.items() if value} | said
        return _checked(make_answers(said, where=where))
    if not sys.stdin.isatty():
        raise UsageError("nobody is at the keyboard: say --answers FILE, or --yes with --name and --author")
    return _checked(make_answers(_asked(said, root, given)))


def _checked(answers: Answers) -> Answers:
    unknown = [name for name in answers.experiments if name not in DEMOS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no experiment of the template: they are {', '.join(DEMOS)}")
    for modality, needed in TESTED.items():
        lacking = [name for name in needed if name not in answers.experiments]
        if lacking and modality not in answers.leave_out and not answers.minimal:
            raise UsageError(f"tests and rehearsal run on {lacking[0]}: keep it in `experiments`")
    if answers.leave_out:
        from lightloop.template.slim import read_features

        features = read_features()
        features.without(answers.leave_out)
        for name in answers.leave_out:
            if name not in features.offered:
                raise UsageError(
                    f"{name} can't be left out yet, since no project without it has passed its tests: "
                    f"leave out {', '.join(features.offered) or 'nothing'}"
                )
        for group in features.one_of:
            kinds = [name for name in group if name in answers.leave_out]
            if len(kinds) > 1:
                raise UsageError(
                    f"{' and '.join(kinds)} can't be left out together yet, since no project without both has passed "
                    "its tests: leave out one of them"
                )
    return answers


def _asked(said: dict[str, Any], root: Path, given: Given) -> dict[str, Any]:
    import typer

    from lightloop.template.slim import read_features

    def put(key: str, question: str, default: Any = "", check: Any = None) -> None:
        if key in said:
            return
        while True:
            answer = str(typer.prompt(question, default=default, show_default=bool(default))).strip()
            try:
                said[key] = check(answer) if check else answer
            except ValueError as error:
                print(f"  {error}")
            else:
                return

    def one_of(key: str, question: str, *options: str) -> None:
        def check(answer: str) -> str:
            if answer not in options:
                raise ValueError(f"one of {', '.join(options)}")
            return answer

        put(key, f"{question} ({', '.join(options)})", options[0], check)

    put("name", "Name of the project, as people write it", _default_name(root) or "", require_name)
    put("author", "Author: a person or an organisation", _default_author(root) or "")
    put("email", "Its address, or nothing", _default_email(root) or "")
    put("description", "What it is for, in a line, or nothing")
    one_of("licence", "Licence", "MIT", "Apache-2.0", "BSD-3-Clause", "proprietary")
    if given.minimal:
        return said
    one_of("tracking", "Experiment tracking", "wandb", "none")
    put("remote", "DVC remote: `embedded` in git, or an address such as s3://bucket/prefix", EMBEDDED)
    one_of("target", "Where releases are deployed to", "local", "container", "kubernetes", "ray")
    features = read_features()
    for name in features.offered:
        print(f"  {name}: {features.features[name].about}")
    if features.offered:
        put("leave_out", "Features to leave out, with commas, or nothing", "", _words)
    put("experiments", f"Demo experiments to keep, of {', '.join(DEMOS)}", ",".join(KEPT), _words)
    return said


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _default_name(root: Path) -> str | None:
    """What the folder is called, unless it is called as the template is."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", root.name).strip("-")
    try:
        return None if name.lower() == TEMPLATE.command else require_name(name)
    except ValueError:
        return None


def _default_author(root: Path) -> str | None:
    return (git_or_none(root, "config", "user.name") or "").strip() or None


def _default_email(root: Path) -> str | None:
    return (git_or_none(root, "config", "user.email") or "").strip() or None
