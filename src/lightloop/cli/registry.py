"""The registry."""

from pathlib import Path
from typing import Annotated

import typer

from lightloop.cli.application import PUSH_HINT, Force, Stage, app


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
