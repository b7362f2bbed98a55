"""Newer versions of the template."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lightloop.cli.application import app


@app.command()
def update(
    to: Annotated[str | None, typer.Option(help="Version of the template; the newest unless given.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Version that the project is made from, where it does not say so.")
    ] = None,
    project: Annotated[Path | None, typer.Option(help="Folder of the project; the current one unless given.")] = None,
    template: Annotated[str | None, typer.Option(help="URL or folder of the template, if it moved.")] = None,
) -> None:
    """Merge a newer version of the template into the project, and list what to do; nothing is committed."""
    from lightloop.project import Project
    from lightloop.template.update import update as merge

    root = project.resolve() if project else Project.find().root
    done = merge(root, to=to, since=since, address=template)
    if done is None:
        print("the project has this version of the template already: nothing is to be done")
        return
    for version, text in done.notes:
        print(f"## {version}\n\n{text}\n")
    print(f"{done.before} -> {done.after}: {done.changed} files changed, and staged; nothing is committed")
    if done.conflicts:
        print(f"{len(done.conflicts)} files hold conflicts, as git marks them:")
        for path in done.conflicts:
            print(f"  {path}")
        print("settle them, `git add` each, then:")
    for line in (*done.todo, "git commit"):
        print(f"  {line}")
    print("`git reset --hard` takes it all back")
    if done.conflicts:
        sys.exit(1)
