"""Where data and bundles lie."""

import sys
from typing import Annotated

import typer

from lightloop.cli.application import app

remote = typer.Typer(help="The DVC remote: data and bundles of releases.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(remote, name="remote")


@remote.command(name="set")
def set_(
    address: Annotated[str, typer.Argument(help="s3://bucket/prefix, gs://, ssh://, azure://, or a folder.")],
) -> None:
    """Push all releases there, verify them, then make it the project's remote."""
    from lightloop.project import Project
    from lightloop.release.remotes import rights, set_remote

    made = set_remote(Project.find(), address)
    print(f"{made.url} is the remote, and holds what {made.releases} releases need and what is checked out")
    print(f"workflows need rights there: {rights(address)}")
    print("publish it: git commit --message 'Another DVC remote' .dvc/config && git push")


@remote.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the remote, and whether it holds what the releases need; exit code 1 where it does not."""
    from lightloop.project import Project
    from lightloop.release.remotes import present_remote

    found = present_remote(Project.find())
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        holds = f"lacks {found.missing} objects" if found.missing else "holds all that they need"
        print(f"{found.name}: {found.url}\n{found.releases} releases: it {holds}")
    if found.missing:
        sys.exit(1)
