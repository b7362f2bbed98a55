"""The command line: one command a stage, `run` for all, and the registry. Imports are late: `--help` is quick."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lightloop.errors import LightloopError, RefusedError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
PACKAGE = __name__.rpartition(".")[0]


def main() -> None:
    """Run the command line; errors for people become one sentence and their exit code."""
    try:
        app(standalone_mode=False)
    except LightloopError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("interrupted: run it again to go on", 130)
    except Exception as error:
        if not hasattr(error, "format_message"):  # wrong use, which the parser found
            raise
        fail(f"{error.format_message()} (see --help)", 2)


def fail(sentence: str, code: int) -> None:
    print(f"lightloop: {sentence}", file=sys.stderr, flush=True)
    sys.exit(code)


def stage(name: str, **options: bool) -> None:
    """Run one stage on params.yaml."""
    from lightloop.template.minimal.loop.config import read_config
    from lightloop.template.minimal.loop.paths import Project

    project = Project.find()
    config = read_config(project.params)
    os.chdir(project.root)
    getattr(importlib.import_module(f"{PACKAGE}.{name}"), name)(config, project, **options)


@app.command()
def run() -> None:
    """Run the loop: every stage that is not up to date."""
    from lightloop.files import read_json
    from lightloop.template.minimal.loop.config import read_config
    from lightloop.template.minimal.loop.paths import Project
    from lightloop.template.minimal.loop.registry import champion

    project = Project.find()
    config = read_config(project.params)
    if not (project.root / config.data.path).exists():
        dvc(project.root, "pull", "--quiet", "data.dvc")
    champion(project)
    dvc(project.root, "repro", "--quiet")
    verdict = read_json(project.gate)
    for name, found in read_json(project.metrics)["metrics"].items():
        print(f"{name:10} {found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]")
    print(f"gate       {verdict['verdict']}\nreport     {project.report}")
    if verdict["verdict"] != "accepted":
        failed = next(check for check in verdict["checks"] if not check["passed"])
        raise RefusedError(f"the gate refused this model: {failed['message']}")
    print("to release it: lightloop register --promote production")


def dvc(root: Path, *words: str) -> None:
    """DVC's command line, with the commands of our environment first on the path."""
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run([programs / "dvc", *words], cwd=root, env=environment, check=False)
    if done.returncode:
        raise LightloopError(f"`dvc {words[0]}` failed; what a stage said stands above")


STAGES = {
    "validate": "Check the data by their expectation suite.",
    "train": "Fit the network.",
    "evaluate": "Score the test split, once.",
    "explain": "Attribute predictions to columns, and check the attributions.",
    "export": "Write the bundle and compare it with the network.",
    "report": "Write the report.",
}


def _command(name: str) -> Callable[[], None]:
    def run_stage() -> None:
        stage(name)

    return run_stage


for _name, _about in STAGES.items():
    app.command(_name, help=_about)(_command(_name))


@app.command()
def gate(no_fail: Annotated[bool, typer.Option("--no-fail", help="Record a refusal and exit with 0.")] = False) -> None:
    """Decide whether the bundle may replace the champion."""
    stage("gate", fail=not no_fail)


@app.command()
def predict(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A .csv or .parquet file.")],
    output: Annotated[Path, typer.Argument(help="A .csv file to write.")],
    bundle: Annotated[Path | None, typer.Option(help="Else that of the last run.")] = None,
) -> None:
    """Answer every record of a file."""
    from lightloop.template.minimal.loop.paths import Project
    from lightloop.template.minimal.loop.predictor import predict as answer

    print(f"{output}: {answer(bundle or Project.find().bundle, source, output)} records")


@app.command()
def register(
    promote: Annotated[str | None, typer.Option(help="Put it into this stage, such as production.")] = None,
) -> None:
    """Make the bundle of the last run a version: commit its outputs, push them, tag the commit."""
    from lightloop.template.minimal.loop import registry
    from lightloop.template.minimal.loop.paths import Project

    version = registry.register(Project.find())
    if promote:
        registry.promote(Project.find(), version, promote)


@app.command()
def promote(
    version: Annotated[str | None, typer.Argument(help="Else that of this commit; an older one rolls back.")] = None,
    stage: Annotated[str, typer.Option(help="Of .gto.")] = "production",
) -> None:
    """Put a version into a stage."""
    from lightloop.template.minimal.loop import registry
    from lightloop.template.minimal.loop.paths import Project

    registry.promote(Project.find(), version, stage)


@app.command()
def releases() -> None:
    """List versions and their stages."""
    from lightloop.template.minimal.loop import registry
    from lightloop.template.minimal.loop.paths import Project

    for one in registry.releases(Project.find()):
        print(f"{one['version']:10} {one['stages']}")
