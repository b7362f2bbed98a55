"""What production does: monitoring and what follows from it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lightloop.cli.application import app


@app.command()
def monitor(
    overrides: Annotated[list[str] | None, typer.Argument(help="Such as monitor.drift=0.1.")] = None,
    *,
    window: Annotated[str | None, typer.Option(help="Of a window, such as 7d or 12h; else monitor.window.")] = None,
    windows: Annotated[int | None, typer.Option(min=1, help="How many, else as many as the rules look at.")] = None,
    log: Annotated[str | None, typer.Option(help="Folder or s3://..., else that of serve.log.")] = None,
    feedback: Annotated[str | None, typer.Option(help="Folder or s3://..., else serve.feedback.")] = None,
    now: Annotated[str | None, typer.Option(help="End of the newest window: 2026-11-01T12:00, UTC.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Folder of a bundle; else the release in production.")] = None,
    alert: Annotated[bool, typer.Option("--alert", help="Tell people, by the channels of monitor.alerts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare the log of the service with the release in production, and say what is to be done."""
    from lightloop.monitoring.monitor import monitor as look
    from lightloop.monitoring.monitor import write_monitoring
    from lightloop.monitoring.said import said
    from lightloop.monitoring.settings import moment, read_settings, span
    from lightloop.project import Project

    project = Project.find()
    config = read_settings(project, overrides or [])
    found = look(
        project,
        window=span(window or config.window),
        windows=windows,
        log=log,
        feedback=feedback,
        now=moment(now),
        bundle=bundle,
        config=config,
    )
    path = write_monitoring(project, found)
    print(found.model_dump_json(indent=2) if as_json else said(found, project.relative(path)))
    if alert:
        from lightloop.config.compose import compose_config
        from lightloop.monitoring.alerts import send

        whole = compose_config(project).model_copy(update={"monitor": config})
        send(project, whole, found, say=lambda line: print(line, file=sys.stderr))


@app.command()
def collect(
    window: Annotated[str, typer.Option(help="Length, such as 30d or 12h, until now.")] = "30d",
    log: Annotated[str | None, typer.Option(help="Folder or s3://..., else that of serve.log.")] = None,
    feedback: Annotated[str | None, typer.Option(help="Folder or s3://..., else serve.feedback.")] = None,
    now: Annotated[str | None, typer.Option(help="End of the window: 2026-11-01T12:00, UTC.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Add the predictions whose truth is known to the data, for a retraining to learn from: data.dvc changes."""
    from lightloop.collection.collect import collect as add
    from lightloop.collection.said import said
    from lightloop.monitoring.settings import moment, span
    from lightloop.project import Project

    found = add(Project.find(), window=span(window), log=log, feedback=feedback, now=moment(now), dry_run=dry_run)
    print(found.model_dump_json(indent=2) if as_json else said(found))


@app.command()
def simulate(
    *,
    drift: Annotated[str, typer.Option(help="covariate, label or concept.")] = "concept",
    form: Annotated[str, typer.Option(help="sudden, gradual or seasonal.")] = "sudden",
    size: Annotated[float | None, typer.Option(help="See docs/monitoring.md; else one that a day shows.")] = None,
    days: Annotated[
        int | None, typer.Option(help="That pass at most, else 8, of gradual drift 10, seasonal 20.")
    ] = None,
    records: Annotated[int, typer.Option(help="A day.")] = 800,
    labels: Annotated[float, typer.Option(help="Share of the answers whose truth comes.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the records that are drawn.")] = 42,
    experiment: Annotated[str, typer.Option(help="A table of two classes.")] = "loans-fast",
    folder: Annotated[Path | None, typer.Option(help="Of the copy, else .lightloop/simulation.")] = None,
    no_drift: Annotated[bool, typer.Option("--no-drift", help="Only traffic: nothing should alarm.")] = False,
) -> None:
    """See the loop close, in a copy of the project: traffic, drift, alarm, retraining, deployment, recovery."""
    from pydantic import ValidationError

    from lightloop.errors import UsageError
    from lightloop.project import Project
    from lightloop.simulation.plan import DAYS, Plan

    days = days or dict(DAYS).get(form)  # type: ignore[call-overload]
    asked = {"kind": "none" if no_drift else drift, "form": form, "size": size, "records": records}
    asked |= {} if days is None else {"days": days}
    try:
        plan = Plan.model_validate(asked | {"labels": labels, "seed": seed, "experiment": experiment})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = f"{first['loc'][0]}: " if first["loc"] else ""
        raise UsageError(f"{place}{first['msg'].removeprefix('Value error, ')}") from None
    from lightloop.simulation.run import simulate as play
    from lightloop.simulation.timeline import lines_of

    project = Project.find()
    timeline = play(project, plan, folder or project.scratch / "simulation", say=lambda line: print(line, flush=True))
    print("\n".join(["", *lines_of(timeline)]))
