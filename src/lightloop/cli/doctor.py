"""Whether everything that the loop rests on is well."""

import sys
from typing import Annotated

import typer

from lightloop.cli.application import app


@app.command()
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    online: Annotated[bool, typer.Option("--online", help="Also ask servers: git's, DVC's, W&B's.")] = False,
) -> None:
    """Look at machine, packages, git, data, registry, accounts; say what to do. Exit code 1: something is broken."""
    from lightloop.doctor import said
    from lightloop.doctor.doctor import examine

    found = examine(online=online)
    print(said.as_json(found) if as_json else said.lines(found))
    if any(one.state == "broken" for one in found):
        sys.exit(1)
