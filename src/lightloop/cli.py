"""The command line: one command a stage, `run` for all of them, and the registry.

Imports are lazy: `--help` answers at once, and each command pays only for what it uses.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lightloop.errors import LightloopError, RefusedError

app = typer.Typer(
    help=__doc__.split("\n")[0],
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
dashboard = typer.Typer(help="W&B's workspace and report, as code.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(dashboard, name="dashboard")
keys = typer.Typer(help="API keys of the service.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys, name="keys")
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

        project = Project.find()
        bundle = Path(fetched(project, production_release(project)).folder)
    counts = predict_file(bundle, source, output, batch=batch, force=force)
    went_on = f", {counts.resumed} of them by an earlier run" if counts.resumed else ""
    print(f"{output}: {counts.scored} records scored in {counts.seconds:.1f} s{went_on}")
    if counts.rejects:
        print(f"{counts.rejects}: {counts.rejected} rows that could not be scored, with their reasons")
    if counts.rejected and not counts.scored:
        raise RefusedError(f"none of the {counts.rejected} records could be scored: {counts.rejects} has the reasons")


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
def sbom(
    out: Annotated[Path, typer.Argument(help="A JSON file to write.")] = Path("artifacts/sbom.json"),
    bundle: Annotated[Path | None, typer.Option(help="Folder of a bundle; else the project's.")] = None,
) -> None:
    """Write the bill of materials of a bundle: weights, data, code and libraries (CycloneDX)."""
    from lightloop.project import Project
    from lightloop.release.sbom import write_sbom

    project = Project.find()
    write_sbom(project, bundle or project.bundle, out)
    print(f"written: {out}")


@app.command()
def keygen(
    private: Annotated[Path, typer.Argument(help="Of who releases; LIGHTLOOP_SIGN_KEY names it.")] = Path("bundle.key"),
    public: Annotated[Path, typer.Argument(help="Of who serves; LIGHTLOOP_PUBLIC_KEY names it.")] = Path("bundle.pub"),
) -> None:
    """Make a pair of keys (Ed25519) to sign bundles with."""
    from lightloop.serving.signature import make_keys

    make_keys(private, public)
    print(f"written: {private}, which only you may read and nobody commits, and {public}")


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
def rollback(
    stage: Stage = "production",
    deploy: Annotated[
        bool | None, typer.Option("--deploy/--no-deploy", help="Serve it too; else where a service runs.")
    ] = None,
) -> None:
    """Put the previous version back, and serve it where a service runs."""
    from lightloop.dashboard.releases import announce
    from lightloop.deploy.local import deploy_again
    from lightloop.project import Project
    from lightloop.release import registry

    project = Project.find()
    release = registry.rollback(project, stage=stage)
    print(f"{release.version} is in {stage} again")
    print(PUSH_HINT)
    deploy_again(project, stage=stage, wanted=deploy)
    announce(project, release)


@app.command()
def releases(
    at: Annotated[
        str | None, typer.Option(help="What stood where then: 2026-11-01T12:00, local time or +01:00.")
    ] = None,
) -> None:
    """List versions and stages: who, when, metrics."""
    from lightloop.project import Project
    from lightloop.release import past, registry

    if at is None:
        registry.print_releases(Project.find())
    else:
        past.print_releases_at(Project.find(), at)


# The service.


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


@app.command()
def runs() -> None:
    """Write reports/runs.html anew: runs and releases over time."""
    from lightloop.project import Project
    from lightloop.report.runs import write_runs

    print(f"written: {write_runs(Project.find())}")


# Keys of the service.

KeyFile = Annotated[Path | None, typer.Option("--file", help="Else what serve.keys of the config names.")]


def key_file(file: Path | None) -> Path:
    """The file of hashed keys that is meant."""
    if file is not None:
        return file
    from lightloop.config.compose import compose_config
    from lightloop.errors import UsageError
    from lightloop.project import Project

    project = Project.find()
    named = compose_config(project).serve.keys
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
