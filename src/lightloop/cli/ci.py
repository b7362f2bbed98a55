"""The steps of the workflows in `.github/workflows`: one call each."""

from pathlib import Path
from typing import Annotated

import typer

from lightloop.cli.application import Stage, app

ci = typer.Typer(help="Steps of the workflows on GitHub.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(ci, name="ci")
Base = Annotated[str, typer.Option(help="The branch to merge into.")]


@ci.command()
def train(
    reason: Annotated[str, typer.Option(help="Why; goes into the commit's message.")] = "manual",
    force: Annotated[bool, typer.Option("--force", help="Although nothing changed.")] = False,
) -> None:
    """Run the loop where there is something to learn, and write its commit into ci/."""
    from lightloop.ci.training import train as run

    run(reason=reason, force=force)


@ci.command()
def propose(base: Base = "main") -> None:
    """Push the commit in ci/ and open its pull request."""
    from lightloop.ci.proposing import propose as run

    run(base=base)


@ci.command()
def promote(stage: Stage = "production") -> None:
    """Judge the model of this commit again, register and promote it, and push the tags."""
    from lightloop.ci.promoting import promote as run

    run(stage=stage)


@ci.command()
def dispatch(
    workflow: Annotated[str, typer.Argument(help="Its file, such as deploy.yml.")],
    ref: Annotated[str, typer.Option(help="Branch or tag that it runs on.")] = "main",
    given: Annotated[list[str] | None, typer.Option("--input", help="key=value, as often as needed.")] = None,
) -> None:
    """Start a workflow."""
    from lightloop.ci.dispatching import dispatch as run

    run(workflow, ref=ref, inputs=given or [])


@ci.command()
def resolve(tag: Annotated[str, typer.Argument(help="Such as model#production#3.")]) -> None:
    """Say which version, commit and stage a tag of the registry names."""
    from lightloop.ci.deploying import resolve as run

    run(tag)


@ci.command()
def image(
    version: Annotated[str, typer.Argument(help="Such as v0.1.0.")],
    folder: Annotated[Path, typer.Option(help="To write into.")] = Path("build/image"),
) -> None:
    """Write what the image of a version is built from."""
    from lightloop.ci.deploying import image as run

    run(version=version, folder=folder)


@ci.command()
def verify(image: Annotated[str, typer.Argument(help="With its digest: ghcr.io/acme/model@sha256:...")]) -> None:
    """Refuse an image that this repository's workflow did not attest."""
    from lightloop.ci.attestation import verify as run

    run(image)


@ci.command()
def deploy(
    tag: Annotated[str, typer.Argument(help="Such as model#production#3.")],
    canary: Annotated[float | None, typer.Option(help="First this share of the requests.")] = None,
) -> None:
    """Deploy what a tag put into production, and ask it its golden records."""
    from lightloop.ci.deploying import deploy as run

    run(tag=tag, canary=canary)


@ci.command()
def give_back(
    tag: Annotated[str | None, typer.Option(help="Only where it is the stage's last one still.")] = None,
    stage: Stage = "production",
) -> None:
    """Put the version before into a stage again, and push that tag."""
    from lightloop.ci.promoting import give_back as run

    run(tag=tag, stage=stage)


@ci.command()
def monitor(
    window: Annotated[str | None, typer.Option(help="Such as 7d; else monitor.window.")] = None,
    collected: Annotated[str, typer.Option("--collect", help="How far back labelled data are collected.")] = "30d",
    now: Annotated[str | None, typer.Option(help="End of the newest window: 2026-11-01T12:00, UTC.")] = None,
) -> None:
    """Collect labelled data, look at the log, tell people, and say what is to be done."""
    from lightloop.ci.watching import watch
    from lightloop.monitoring.settings import moment, span

    watch(window=span(window) if window else None, collected=span(collected), now=moment(now))


@ci.command()
def push_data(branch: Annotated[str, typer.Argument(help="That `ci monitor` said.")]) -> None:
    """Push the new data that `ci monitor` collected."""
    from lightloop.ci.watching import push_data as run

    run(branch)


@ci.command()
def bench() -> None:
    """Measure how long people wait, beside the nights before."""
    from lightloop.ci.benchmarks import bench as run

    run()


@ci.command()
def tell() -> None:
    """Open, update or close the issue about the nightly workflow."""
    from lightloop.ci.telling import tell as run

    run()
