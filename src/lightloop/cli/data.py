"""The project's data: adding records, what changed, whether they are sound."""

from typing import Annotated

import typer

from lightloop.cli.application import Overrides, app

data_app = typer.Typer(
    help="The project's data: add records, see what changed, check them.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(data_app, name="data")


@data_app.command()
def add(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Tables, or folders of class folders.")],
    dataset: Annotated[
        str | None, typer.Option("--data", help="Name of the data set, else that of the last run.")
    ] = None,
    part: Annotated[str | None, typer.Option(help="train, validation or test; else drawn for each record.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Add new records: held against the data set and its suite, none twice; data.dvc changes."""
    from lightloop.adoption.add import add_records
    from lightloop.adoption.said import said_addition
    from lightloop.project import Project

    found = add_records(Project.find(), files, dataset=dataset, part=part, dry_run=dry_run)
    print(found.model_dump_json(indent=2) if as_json else said_addition(found))


@data_app.command()
def diff(
    revision: Annotated[str, typer.Argument(metavar="REV", help="Of git: a commit, branch or tag.")] = "HEAD",
    dataset: Annotated[str | None, typer.Option("--data", help="One data set; else all that changed.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show how the data differ from a version in git: files, columns, records, labels, distributions."""
    from lightloop.project import Project
    from lightloop.versions.diff import diff_data
    from lightloop.versions.said import print_difference

    found = diff_data(Project.find(), revision, dataset=dataset)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        print_difference(found)


@data_app.command()
def check(
    overrides: Overrides = None,
) -> None:
    """Hold the data against their suite and look for leaks, as the loop does first; nothing is written."""
    from lightloop.project import Project
    from lightloop.versions.check import check_data

    check_data(Project.find(), overrides or [])
