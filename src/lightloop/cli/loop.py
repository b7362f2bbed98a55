"""The whole loop, and what is beside it."""

from pathlib import Path
from typing import Annotated

import typer

from lightloop.cli.application import Overrides, app


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
