"""Own data: adopting them."""

import sys
from typing import Annotated

import typer

from lightloop.cli.application import app


@app.command()
def adopt(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="A table (CSV, TSV, Parquet, JSON Lines, Excel, SQLite), class folders of images or texts, "
            "a folder of the datasets library; or several with roles, such as train=a.csv test=b.csv.",
        ),
    ],
    target: Annotated[str | None, typer.Option(help="The column that is predicted; else it is guessed.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the data set and its experiment; else that of the file.")] = None,
    table: Annotated[str | None, typer.Option(help="Of a database, or a sheet of a workbook.")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take every guess, ask nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a data set of that name.")] = False,
    no_fit: Annotated[bool, typer.Option("--no-fit", help="Leave out the fit of a minute.")] = False,
) -> None:
    """Make data a data set of this project: guess what they are, write configs, version them, fit for a minute."""
    from lightloop.adoption.adopt import Wish
    from lightloop.adoption.adopt import adopt as take
    from lightloop.adoption.shown import console
    from lightloop.project import Project

    wish = Wish(paths, target=target, name=name, table=table, yes=yes, force=force, fit=not no_fit)
    take(Project.find(), wish, console(), terminal=sys.stdin.isatty())
