"""How ready a clone is for production."""

from typing import Annotated

import typer

from lightloop.cli.application import app


@app.command()
def score(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The tables of docs/ml-test-score.md.")] = False,
) -> None:
    """Look which of the 28 tests of the ML Test Score hold in this clone; writes reports/score.html."""
    from lightloop.project import Project
    from lightloop.score.said import lines, write_page
    from lightloop.score.said import markdown as tables
    from lightloop.score.score import score as look

    if markdown:
        print(tables())
        return
    project = Project.find()
    found = look(project)
    page = write_page(project, found)
    print(found.model_dump_json(indent=2) if as_json else f"{lines(found)}\nwritten: {project.relative(page)}")
