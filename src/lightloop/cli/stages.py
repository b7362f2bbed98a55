"""The stages, in order. Each reads params.yaml, as the last `lightloop run` composed it."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from lightloop.cli.application import app, fail


def stage(name: str, **options: Any) -> None:
    """Run one stage on the current params.yaml."""
    import importlib
    import sys

    from lightloop.warm import hand_over

    hand_over(sys.argv[1:])
    from lightloop.config.compose import read_params
    from lightloop.journal import JOURNAL, die_with_parent, recorded
    from lightloop.project import Project
    from lightloop.serving.signature import name_keys

    if JOURNAL in os.environ:
        die_with_parent()
    with recorded(name):
        project = Project.find()
        current = read_params(project)
        os.chdir(project.root)
        name_keys(project.root, sign=current.sign_key, public=current.serve.public_key)
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
def compress(
    edge: Annotated[Path | None, typer.Option(help="Write the bundle as one file instead: FILE.onnx.")] = None,
    budget: Annotated[float | None, typer.Option(help="Megabytes that the edge file may have.")] = None,
) -> None:
    """Make the bundle smaller by the configured methods, and keep the smallest that answers as well."""
    if edge is None:
        if budget is not None:
            fail("--budget is for the file that --edge names: say `lightloop compress --edge edge.onnx`", 2)
        stage("compress")
        return
    from lightloop.compression.edge import write_edge
    from lightloop.config.compose import read_params
    from lightloop.project import Project

    project = Project.find()
    megabytes = read_params(project).compress.edge_megabytes if budget is None else budget
    written = write_edge(project.bundle, edge, megabytes)
    print(f"written: {edge} ({written / 1e6:.2f} MB of {megabytes:g}); {edge.parent / 'edge.py'} reads it")


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
