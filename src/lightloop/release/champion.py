"""The champion on disk: what stands in production, fetched at its tag for the gate to compare with."""

import shutil
from pathlib import Path

from lightloop.errors import LightloopError
from lightloop.files import read_json, read_json_or, replacing, write_json, write_text
from lightloop.project import Project
from lightloop.release.fetched import fetch_bundle
from lightloop.release.history import Release, production, registry_tags
from lightloop.release.repository import file_at, require_repository
from lightloop.serving.manifest import verify_bundle

NONE = {"version": None}


def write_champion(project: Project) -> str | None:
    """Ask the registry for the champion and put it where the gate finds it.

    Writes `artifacts/champion/champion.json` and, where there is a champion, fetches its bundle and what came of its
    folds at its tag. A second call with the same tags and a whole bundle asks neither GTO nor DVC.

    Args:
        project: whose champion.

    Returns:
        The champion's version, or None.

    Raises:
        UsageError: not a git repository, or a clone that may lack tags.
        LightloopError: the bundle can't be fetched, or is not the one that the gate judged at the tag. What was
            fetched before stays as it was.
    """
    require_repository(project.root)
    # What the registry says now is no part of a commit.
    write_text(project.champion.parent / ".gitignore", "*\n")
    tags = registry_tags(project.root)
    if not tags:
        _clear(project)
        return None
    if _fetched(project).get("tags") == tags and _is_whole(project):
        return str(read_json(project.champion)["version"])
    champion = production(project)
    if champion is None:
        _clear(project)
        return None
    if _fetched(project).get("commit") != champion.commit or not _is_whole(project):
        _fetch(project, champion)
    folds = file_at(project.root, champion.commit, project.relative(project.folds_result))
    if folds is None:
        project.champion_folds.unlink(missing_ok=True)
    else:
        write_text(project.champion_folds, folds)
    write_json(project.champion, identity(champion))
    write_json(
        _record(project), {"tags": tags, "commit": champion.commit, "digest": verify_bundle(project.champion_bundle)}
    )
    return champion.version


def identity(champion: Release | None) -> dict[str, str | None]:
    """What `champion.json` says of a champion."""
    if champion is None:
        return dict(NONE)
    return {"version": champion.version, "tag": champion.tag, "commit": champion.commit}


def _clear(project: Project) -> None:
    write_json(project.champion, NONE)
    _record(project).unlink(missing_ok=True)
    project.champion_folds.unlink(missing_ok=True)
    shutil.rmtree(project.champion_bundle, ignore_errors=True)


def _fetch(project: Project, champion: Release) -> None:
    with replacing(project.champion_bundle) as temporary:
        fetch_bundle(project, champion, temporary, what="the champion")
        # From here on the old record no longer describes what lies there.
        _record(project).unlink(missing_ok=True)


def _is_whole(project: Project) -> bool:
    """Whether the bundle that lies there is the one that was fetched."""
    if not project.champion.exists() or not project.champion_bundle.exists():
        return False
    try:
        return verify_bundle(project.champion_bundle) == _fetched(project).get("digest")
    except LightloopError:
        return False


def _fetched(project: Project) -> dict[str, str]:
    """What was known when the bundle was fetched: the registry's tags, the commit, the bundle's digest."""
    try:
        return dict(read_json_or(_record(project), {}))
    except LightloopError:
        return {}


def _record(project: Project) -> Path:
    return project.champion.parent / "fetched.json"
