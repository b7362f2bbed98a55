"""A clone of the template becomes a project."""

from pathlib import Path
from typing import Annotated

import typer

from lightloop.cli.application import app


@app.command()
def init(
    answers: Annotated[Path | None, typer.Option(help="YAML file of answers; nothing is asked.")] = None,
    *,
    name: Annotated[str | None, typer.Option(help='The project\'s name, such as "Churn at Acme".')] = None,
    author: Annotated[str | None, typer.Option(help="Person or organisation, for the licence.")] = None,
    leave_out: Annotated[str | None, typer.Option(help="Features that are not needed, with commas.")] = None,
    into: Annotated[Path | None, typer.Option(help="An existing repository: the loop goes beside its code.")] = None,
    folder: Annotated[str, typer.Option(help="With --into: the folder for the loop.")] = "ml",
    minimal: Annotated[
        bool, typer.Option("--minimal", help="The small project: one table, under 2,500 lines.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; what is not given is the default.")] = False,
) -> None:
    """Make this clone of the template a project of its own: name, author, licence, a new history."""
    from lightloop.template.making.asking import Given, ask
    from lightloop.template.making.beginning import begin

    given = Given(file=answers, name=name, author=author, leave_out=leave_out, yes=yes, minimal=minimal)
    begin(lambda root: ask(given, root), into=into, folder=folder)
