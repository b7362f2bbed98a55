"""`lightloop new`: starts that work."""

from typing import TYPE_CHECKING, Annotated

import typer
import typer.main

from lightloop.cli.application import app

if TYPE_CHECKING:
    from lightloop.creation.pieces import Kind

new = typer.Typer(
    help="Write a network, task, metric or stage as a start that works, with test and config.", no_args_is_help=True
)
app.add_typer(new, name="new")
Name = Annotated[str, typer.Argument(help="Small letters, digits, underscores.")]
Problem = Annotated[str | None, typer.Option(help="classification or regression; else that of the current data.")]


@new.command()
def network(
    name: Name,
    modality: Annotated[
        str | None, typer.Option(help="image, tabular, text or series; else of the current data.")
    ] = None,
) -> None:
    """A network: src/.../networks/NAME.py, configs/network/NAME.yaml, its test."""
    write("network", name, modality)


@new.command()
def task(name: Name, problem: Problem = None) -> None:
    """A task, which says what is minimised: src/.../tasks/NAME.py, configs/task/NAME.yaml, its test."""
    write("task", name, problem)


@new.command()
def metric(name: Name, problem: Problem = None) -> None:
    """A metric with intervals, that the gate can decide by: src/.../evaluation/own/NAME.py, its test."""
    write("metric", name, problem)


@new.command()
def stage(
    name: Name,
    after: Annotated[str, typer.Option(help="The stage behind which it stands in dvc.yaml.")] = "evaluate",
) -> None:
    """A stage: src/.../stages/NAME.py, its entry in dvc.yaml, its settings in configs/config.yaml, its test."""
    write("stage", name, None, after=after)


def write(kind: "Kind", name: str, variant: str | None, *, after: str = "evaluate") -> None:
    """Make a piece, and say what was written and what to type next."""
    from lightloop.creation.create import create
    from lightloop.creation.pieces import new_piece
    from lightloop.creation.usual import refuse_taken, variant_of
    from lightloop.project import Project

    project = Project.find()
    commands = getattr(typer.main.get_command(app), "commands", ())
    refuse_taken(project, kind, name, commands)
    piece = new_piece(kind, name, variant_of(project, kind, variant), after=after)
    for path in create(project, piece):
        print(f"written: {path}")
    print("It works as it stands; change it from here. Next:")
    for hint in piece.hints:
        print(f"  {hint}")
