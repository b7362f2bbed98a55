"""The command line: one command a stage, `run` for all of them, and the registry.

Imports are lazy: `--help` answers at once, and each command pays only for what it uses.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lightloop.errors import LightloopError

app = typer.Typer(
    help=__doc__.split("\n")[0],
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
dashboard = typer.Typer(help="W&B's workspace and report, as code.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(dashboard, name="dashboard")
INTERRUPTED = 130
PUSH_HINT = "it is in this clone alone: `git push --follow-tags` publishes it"
Overrides = Annotated[list[str] | None, typer.Argument(help="Such as network=resnet trainer.max_epochs=3.")]
Stage = Annotated[str, typer.Option(help="Of the registry: staging or production.")]
Force = Annotated[bool, typer.Option("--force", help="Against the gate's verdict; recorded in the tag's message.")]


def main() -> None:
    """Run the command line; errors for people become one sentence and their exit code."""
    try:
        # Typer turns Ctrl-C and its own exits into a code that it returns.
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            sys.exit(code)
    except LightloopError as error:
        fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fail(f"the disk is full ({error.filename or 'while writing'}): free some space and run it again", 1)
    except KeyboardInterrupt:
        fail("interrupted: run it again to go on", INTERRUPTED)
    except Exception as error:
        # Wrong use that the parser found: it knows the sentence and the code.
        if not hasattr(error, "format_message"):
            raise
        fail(f"{error.format_message()} (see `lightloop --help`)", 2)


def fail(sentence: str, code: int) -> None:
    print(f"lightloop: {sentence}", file=sys.stderr, flush=True)
    sys.exit(code)


# The whole loop.


@app.command()
def run(
    overrides: Overrides = None,
    until: Annotated[str | None, typer.Option(help="Stop after this stage.")] = None,
) -> None:
    """Run the loop: compose the config, then every stage that is not up to date."""
    from lightloop.loop import run_loop

    run_loop(overrides or [], until=until)


@app.command()
def config(
    overrides: Overrides = None,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON schema instead, for editors.")] = False,
) -> None:
    """Print the composed config."""
    import json

    from lightloop.config.compose import compose_config, to_yaml
    from lightloop.config.schema import Config
    from lightloop.project import Project

    if schema:
        print(json.dumps(Config.model_json_schema(), indent=2))
    else:
        print(to_yaml(compose_config(Project.find(), overrides or [])), end="")


@app.command(name="list")
def list_names(
    group: Annotated[str | None, typer.Argument(help="Such as networks, losses, optimizers; else all groups.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Everything, as the page docs/components.md.")] = False,
) -> None:
    """List what a config can name: networks, tasks, losses, optimizers, preprocessing."""
    from lightloop.config.catalogue import catalogue, print_catalogue, to_markdown
    from lightloop.project import Project

    found = catalogue(Project.find().configs)
    if markdown:
        print(to_markdown(found), end="")
    else:
        print_catalogue(found, group)


# The stages, in order. Each reads params.yaml, as the last `lightloop run` composed it.


def stage(name: str, **options: Any) -> None:
    """Run one stage on the current params.yaml."""
    import importlib

    from lightloop.config.compose import read_params
    from lightloop.journal import JOURNAL, die_with_parent, recorded
    from lightloop.project import Project

    if JOURNAL in os.environ:
        die_with_parent()
    with recorded(name):
        project = Project.find()
        current = read_params(project)
        os.chdir(project.root)
        getattr(importlib.import_module(f"lightloop.stages.{name}"), name)(current, project, **options)


@app.command()
def validate() -> None:
    """Check the data against its expectation suite."""
    stage("validate")


@app.command()
def folds() -> None:
    """Train and score folds x seeds members, where the config has more than one."""
    stage("folds")


@app.command()
def train(
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training.")] = False,
) -> None:
    """Fit the network."""
    stage("train", resume=resume)


@app.command()
def calibrate() -> None:
    """Scale probabilities, choose the decision, and learn how sure answers are, by the validation split."""
    stage("calibrate")


@app.command()
def evaluate() -> None:
    """Score the test split, once."""
    stage("evaluate")


@app.command()
def audit() -> None:
    """Look at the model from outside: robustness, labels, duplicates, learning curve."""
    stage("audit")


@app.command()
def explain() -> None:
    """Attribute predictions to their inputs, and check the attributions."""
    stage("explain")


@app.command()
def export() -> None:
    """Write the deployable bundle and compare it with the network."""
    stage("export")


@app.command()
def gate(
    no_fail: Annotated[bool, typer.Option("--no-fail", help="Record a refusal and exit with 0.")] = False,
) -> None:
    """Decide whether the bundle may replace the champion."""
    stage("gate", fail=not no_fail)


@app.command()
def report() -> None:
    """Write the report site."""
    stage("report")


# Beside the loop.


@app.command()
def sweep(overrides: Overrides = None) -> None:
    """Search configs/sweep/NAME.yaml: overrides, and sampler=tpe pruner=median trials=30 sweep=NAME."""
    from lightloop.search.sweep import run_sweep

    run_sweep(overrides or [])


@app.command()
def compare(
    settings: Annotated[list[str], typer.Argument(help='Experiments, "overrides in one word", or result files.')],
    folds: Annotated[int, typer.Option(help="Of each setting.")] = 5,
    seeds: Annotated[int, typer.Option(help="Of each fold.")] = 1,
    metric: Annotated[str | None, typer.Option(help="Else that of the gate.")] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file for the result.")] = None,
) -> None:
    """Test whether settings differ, on the same folds and seeds."""
    from lightloop.search.compare import compare as compare_settings

    compare_settings(settings, folds=folds, seeds=seeds, metric_name=metric, out=out)


@app.command()
def label_next(
    count: Annotated[int, typer.Option(help="How many records.")] = 20,
    method: Annotated[str, typer.Option(help="entropy, margin or least_confidence.")] = "margin",
    diverse: Annotated[bool, typer.Option("--diverse", help="Different ones among the uncertain.")] = False,
    released: Annotated[bool, typer.Option("--released", help="Ask the model in production.")] = False,
    out: Annotated[Path | None, typer.Option(help="A .csv or .parquet file.")] = None,
) -> None:
    """Write the unlabelled records that the model is least sure of."""
    from lightloop.search.active import label_next as choose

    path = choose(count=count, method=method, diverse=diverse, released=released, out=out)
    print(f"written: {path}")


# The registry.


@app.command()
def register(
    version: Annotated[str | None, typer.Option(help="Such as v1.2.0; else the last one is bumped.")] = None,
    bump: Annotated[str, typer.Option(help="major, minor or patch.")] = "minor",
    commit: Annotated[bool, typer.Option("--commit", help="Commit the loop's own outputs first.")] = False,
    promote: Annotated[str | None, typer.Option(help="Promote to this stage at once.")] = None,
    force: Force = False,
) -> None:
    """Make a version of the bundle: an annotated tag."""
    from lightloop.dashboard.releases import announce
    from lightloop.project import Project
    from lightloop.release import registry

    project = Project.find()
    release = registry.register(project, version=version, bump=bump, commit=commit)
    print(f"registered {release.version} as {release.tag}")
    if promote:
        release = registry.promote(project, stage=promote, version=release.version, force=force)
        print(f"promoted {release.version} to {promote}")
    print(PUSH_HINT)
    announce(project, release)


@app.command()
def promote(
    stage: Stage = "production",
    version: Annotated[str | None, typer.Option(help="Else that of the commit that is checked out.")] = None,
    force: Force = False,
) -> None:
    """Give a version a stage: an annotated tag."""
    from lightloop.dashboard.releases import announce
    from lightloop.project import Project
    from lightloop.release import registry

    project = Project.find()
    release = registry.promote(project, stage=stage, version=version, force=force)
    print(f"promoted {release.version} to {stage}")
    print(PUSH_HINT)
    announce(project, release)


@app.command()
def rollback(stage: Stage = "production") -> None:
    """Put the previous version back."""
    from lightloop.dashboard.releases import announce
    from lightloop.project import Project
    from lightloop.release import registry

    project = Project.find()
    release = registry.rollback(project, stage=stage)
    print(f"{release.version} is in {stage} again")
    print(PUSH_HINT)
    announce(project, release)


@app.command()
def releases() -> None:
    """List versions and stages: who, when, metrics."""
    from lightloop.project import Project
    from lightloop.release import registry

    registry.print_releases(Project.find())


@app.command()
def runs() -> None:
    """Write reports/runs.html anew: runs and releases over time."""
    from lightloop.project import Project
    from lightloop.report.runs import write_runs

    print(f"written: {write_runs(Project.find())}")


# Weights & Biases.


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
