"""Runs over time, and Weights & Biases."""

from typing import Annotated

import typer

from lightloop.cli.application import app

dashboard = typer.Typer(help="W&B's workspace and report, as code.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(dashboard, name="dashboard")


@app.command()
def runs() -> None:
    """Write reports/runs.html anew: runs and releases over time."""
    from lightloop.project import Project
    from lightloop.report.runs import write_runs

    print(f"written: {write_runs(Project.find())}")


@app.command()
def sync() -> None:
    """Send the runs that W&B does not have yet, then what the registry says."""
    from lightloop.config.compose import read_params
    from lightloop.dashboard.sync import sync as send
    from lightloop.project import Project

    project = Project.find()
    send(read_params(project), project)


@dashboard.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the workspace and the report that `push` would save; needs no key."""
    from lightloop.config.compose import read_params
    from lightloop.dashboard.push import show as describe
    from lightloop.project import Project

    project = Project.find()
    print(describe(read_params(project), project, as_json=as_json))


@dashboard.command()
def push() -> None:
    """Save the workspace and the report to W&B; again changes the same ones."""
    from lightloop.config.compose import read_params
    from lightloop.dashboard.push import push as save
    from lightloop.project import Project

    project = Project.find()
    for what, address in save(read_params(project), project).items():
        print(f"{what}: {address}")
