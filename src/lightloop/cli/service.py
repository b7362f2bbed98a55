"""Answers: files of records, the service, its keys."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lightloop.cli.application import app
from lightloop.errors import RefusedError

keys = typer.Typer(help="API keys of the service.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys, name="keys")


@app.command()
def predict(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A .parquet, .csv or .jsonl file, or a folder.")],
    output: Annotated[Path, typer.Argument(help="A .parquet, .csv or .jsonl file to write.")],
    bundle: Annotated[Path | None, typer.Option(help="Folder of a bundle; else the release in production.")] = None,
    batch: Annotated[int, typer.Option(help="Records that are answered at once.")] = 256,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that is there.")] = False,
) -> None:
    """Answer every record of a file or folder; a killed run goes on where it was."""
    from lightloop.batch.predict import predict_file
    from lightloop.serving.light import keep_pandas_out

    keep_pandas_out()
    if bundle is None:
        from lightloop.deploy.released import fetched, production_release
        from lightloop.project import Project
        from lightloop.service.settings import settings_of
        from lightloop.serving.signature import name_keys

        project = Project.find()
        name_keys(project.root, public=settings_of(project, []).public_key)
        bundle = Path(fetched(project, production_release(project)).folder)
    counts = predict_file(bundle, source, output, batch=batch, force=force)
    went_on = f", {counts.resumed} of them by an earlier run" if counts.resumed else ""
    print(f"{output}: {counts.scored} records scored in {counts.seconds:.1f} s{went_on}")
    if counts.rejects:
        print(f"{counts.rejects}: {counts.rejected} rows that could not be scored, with their reasons")
    if counts.rejected and not counts.scored:
        raise RefusedError(f"none of the {counts.rejected} records could be scored: {counts.rejects} has the reasons")


@app.command()
def serve(
    overrides: Annotated[list[str] | None, typer.Argument(help="Such as serve.port=8080 serve.workers=1.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Folder of a bundle; else the release in production.")] = None,
) -> None:
    """Serve a release over HTTP, here, until Ctrl-C. LIGHTLOOP_SERVE_PORT=8080 and the like work too."""
    from lightloop.deploy.foreground import serve as become

    become(bundle, overrides or [])


@app.command()
def deploy(
    overrides: Annotated[list[str] | None, typer.Argument(help="Such as serve.port=8080 serve.workers=1.")] = None,
    *,
    target: Annotated[str, typer.Option(help="local, container, kubernetes or ray.")] = "local",
    canary: Annotated[float | None, typer.Option(help="local: first this share of the requests, such as 0.1.")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="local: first compare, without answering.")] = False,
    render: Annotated[Path | None, typer.Option(help="container and on: write into this folder, run nothing.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="container and on: this bundle, not the release.")] = None,
) -> None:
    """Serve the release in production in the background; what it replaces answers until it is ready."""
    from lightloop.deploy.targets import deploy_to

    deploy_to(target, overrides or [], bundle=bundle, render=render, canary=canary, shadow=shadow)


@app.command()
def status() -> None:
    """Print what is served here and how it is; exit code 1 where it is not well."""
    from lightloop.deploy.status import print_status
    from lightloop.project import Project

    if not print_status(Project.find()):
        sys.exit(1)


@app.command()
def stop() -> None:
    """Stop the service that `deploy` started; what is in flight is answered."""
    from lightloop.deploy.local import stop as end
    from lightloop.project import Project

    end(Project.find())


KeyFile = Annotated[Path | None, typer.Option("--file", help="Else what serve.keys names.")]


def key_file(file: Path | None) -> Path:
    """The file of hashed keys that is meant."""
    if file is not None:
        return file
    from lightloop.errors import UsageError
    from lightloop.project import Project
    from lightloop.service.settings import settings_of

    project = Project.find()
    named = settings_of(project, []).keys
    if named is None:
        raise UsageError(
            "serve.keys is null, so that everyone is let in: name a file there, such as .lightloop/keys.json, "
            "or by --file"
        )
    return project.root / named


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    file: KeyFile = None,
) -> None:
    """Make a key and print it: this once, since only its hash is kept."""
    from lightloop.service.keys import add_key

    path = key_file(file)
    kept, secret = add_key(path, name)
    print(secret)
    print(f"the key of {kept.name} has the id {kept.id}; its hash is in {path}", file=sys.stderr)


@keys.command(name="list")
def list_keys(file: KeyFile = None) -> None:
    """List ids, days and names."""
    from lightloop.service.keys import read_keys

    for key in read_keys(key_file(file)):
        print(f"{key.id}  {key.created}  {key.name}")


@keys.command()
def revoke(
    wanted: Annotated[str, typer.Argument(help="The id or the name.")],
    file: KeyFile = None,
) -> None:
    """Forget a key; a running service no longer takes it a second later."""
    from lightloop.service.keys import revoke_key

    key = revoke_key(key_file(file), wanted)
    print(f"revoked {key.id} ({key.name})")
