"""What is deployed: the release that stands in production, or a bundle by path."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from lightloop.config.serve import ServeConfig
from lightloop.errors import LightloopError, UsageError
from lightloop.files import replacing
from lightloop.project import Project
from lightloop.release.fetched import fetch_bundle
from lightloop.release.history import PRODUCTION, Release, production
from lightloop.release.repository import file_at
from lightloop.service.processes.state import Served
from lightloop.service.processes.supervisor import served_from
from lightloop.serving.manifest import verify_bundle

DEPLOY_ROOT = "LIGHTLOOP_DEPLOY_ROOT"


def folder_of(project: Project) -> Path:
    """Where deployed bundles and services of a project lie.

    LIGHTLOOP_DEPLOY_ROOT names another folder than the project's own: that of a workflow's job does not last.
    """
    root = os.environ.get(DEPLOY_ROOT)
    return Path(root).expanduser().absolute() if root else project.scratch / "service"


def production_release(project: Project) -> Release:
    """The release to deploy.

    Raises:
        UsageError: nothing stands in production, not a git repository, or a clone that may lack tags.
    """
    release = production(project)
    if release is None:
        raise UsageError(
            f"nothing stands in {PRODUCTION}: `lightloop register` and `lightloop promote` put a version there, "
            "or name a bundle with --bundle"
        )
    return release


def fetched(project: Project, release: Release) -> Served:
    """A release with its bundle on this machine; what was fetched before is verified, and fetched anew where damaged.

    Raises:
        LightloopError: the bundle can't be fetched, or is not the one that the gate judged.
    """
    bundles = folder_of(project) / "bundles"
    target = bundles / release.version
    digest = _digest_of(target)
    if digest is None or (release.digest is not None and digest != release.digest):
        with replacing(target) as temporary:
            digest = fetch_bundle(project, release, temporary)
    metrics = {name: one["value"] for name, one in release.metrics.items() if one.get("value") is not None}
    card = file_at(project.root, release.commit, project.relative(project.released_card))
    about = {"metrics": metrics or None, "card": card}
    return served_from(target, release.version, digest, {name: one for name, one in about.items() if one})


def kept(project: Project, versions: Sequence[str | None]) -> None:
    """Remove fetched bundles but those of these versions."""
    bundles = folder_of(project) / "bundles"
    for folder in bundles.iterdir() if bundles.exists() else ():
        if folder.name not in versions:
            shutil.rmtree(folder, ignore_errors=True)


def by_path(folder: Path, settings: ServeConfig | None = None) -> Served:
    """A bundle by path.

    Args:
        folder: of the bundle.
        settings: that may say which version it is, and which digest it must have; a container is built with both.

    Raises:
        UsageError: there is no folder.
        LightloopError: a file of it is changed, missing or extra, or it is another bundle than the settings say.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: give that of a bundle, such as artifacts/bundle")
    digest = verify_bundle(folder)
    if settings is not None and settings.digest not in (None, digest):
        raise LightloopError(
            f"{folder} has the digest {digest[:12]}, but serve.digest says {str(settings.digest)[:12]}: "
            "this is not the bundle that was to be served"
        )
    return served_from(folder, settings.version if settings else None, digest)


def _digest_of(folder: Path) -> str | None:
    try:
        return verify_bundle(folder) if folder.exists() else None
    except LightloopError:
        return None
