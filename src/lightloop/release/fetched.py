"""The bundle of a release, fetched at its tag from the DVC remote and held against what the gate judged."""

from pathlib import Path

from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.release.history import Release
from lightloop.release.repository import dvc, path_from_top
from lightloop.serving.manifest import verify_bundle


def fetch_bundle(project: Project, release: Release, target: Path, what: str = "the bundle of") -> str:
    """Fetch a release's bundle.

    Args:
        project: with the repository.
        release: to fetch.
        target: folder that does not exist yet; made.
        what: words before the version, for the sentence of an error.

    Returns:
        The bundle's digest.

    Raises:
        LightloopError: it is not in the DVC remote, or is not the one that the gate judged at the tag.
    """
    source = path_from_top(project.root, project.relative(project.bundle))
    try:
        # Not --quiet: with it DVC does not say what went wrong.
        dvc(project.root, "get", ".", source, "--rev", release.tag, "--out", str(target))
    except LightloopError as error:
        raise LightloopError(
            f"{what} {release.version} can't be fetched ({error}): its bundle must be in the DVC remote, "
            f"see `dvc push` and `dvc remote list`"
        ) from None
    digest = verify_bundle(target)
    if release.digest is not None and digest != release.digest:
        raise LightloopError(
            f"the bundle in the DVC remote at {release.tag} is not the one that the gate judged: "
            "promote a sound version, or register anew"
        )
    return digest
