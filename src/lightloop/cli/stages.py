"""The stages, in order. Each reads params.yaml, as the last `lightloop run` composed it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from lightloop.cli.application import app, fail


def stage(name: str, *, settings: bool = False, **options: Any) -> None:
    """Run one stage on the current params.yaml, with the settings that the config has for it where it has some."""
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
        if settings:
            options |= dict(getattr(current.stages, name, ()))
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


def add_own_stages(folder: Path) -> list[str]:
    """Give each stage that has no command above one of its name: what a new stage needs is its file and dvc.yaml.

    Its help is the first line of its docstring, and its settings are those of the config. The file is not imported.

    Args:
        folder: where stages lie.

    Returns:
        Their names.
    """
    import ast

    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    own = [path for path in sorted(folder.glob("*.py")) if path.stem not in {*known, "__init__"}]
    for path in own:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == path.stem:
                summary = (ast.get_docstring(node) or "").partition("\n")[0]
                app.command(path.stem, help=summary)(_command_of(path.stem))
    return [path.stem for path in own]


def _command_of(name: str) -> Callable[[], None]:
    def command() -> None:
        stage(name, settings=True)

    command.__name__ = name
    return command


OWN_STAGES = add_own_stages(Path(__file__).resolve().parent.parent / "stages")
