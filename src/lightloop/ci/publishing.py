"""A release on the forge's page: what was promoted, with bundle, report and bill of materials to download."""

import gzip
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightloop.ci.api import Api
from lightloop.ci.git import token
from lightloop.ci.outputs import clip, warn
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.release.history import Release
from lightloop.release.repository import dvc

NEEDS = "contents: write"
MOST = 120_000  # characters of a release's text; GitHub takes 125,000


def publish_release(project: Project, release: Release) -> None:
    """Make the release of a version, or add to it what it lacks. Without a token nothing is done.

    The registry's tags stand whatever comes of it: a failure is warned of.

    Args:
        project: with the version's commit checked out, and its bundle fetched.
        release: that was promoted.
    """
    if token() is None or not os.environ.get("GITHUB_REPOSITORY"):
        return
    try:
        if not project.reports.is_dir():
            dvc(project.root, "pull", project.relative(project.reports))
        with Api.of_environment() as api:
            made = _release(api, project, release)
            there = {asset["name"] for asset in made.get("assets", [])}
            for name, content, kind in _files(project, release):
                if name not in there:
                    api.upload(made["upload_url"], name, content, kind)
        print(f"the release has {made.get('html_url', release.tag)}")
    except LightloopError as error:
        warn(f"{release.version} is promoted, but its files are not attached to a release: {error}")


def _release(api: Api, project: Project, release: Release) -> dict[str, Any]:
    """The release of the version's tag, made where it is not there."""
    known: list[dict[str, Any]] = api.get("/releases", per_page=100)
    found = next((one for one in known if one["tag_name"] == release.tag), None)
    if found is not None:
        return found
    card = project.released_card
    body = card.read_text(encoding="utf-8") if card.exists() else release.message
    content = {"tag_name": release.tag, "name": release.version, "body": clip(body, MOST)}
    made: dict[str, Any] = api.send("POST", "/releases", content, needs=NEEDS)
    return made


def _files(project: Project, release: Release) -> Iterator[tuple[str, bytes, str]]:
    """Name, content and type of what is attached."""
    for name, folder in (("bundle", project.bundle), ("report", project.reports)):
        if folder.is_dir():
            yield f"{name}-{release.version}.tar.gz", packed(folder, f"{name}-{release.version}"), "application/gzip"
    for path in (project.sbom, project.gate):
        if path.exists():
            yield path.name, path.read_bytes(), "application/json"


def packed(folder: Path, name: str) -> bytes:
    """A folder as .tar.gz, below a folder `name` in it. The same files give the same archive."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    content = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for path in sorted(folder.rglob("*")):
            archive.add(path, f"{name}/{path.relative_to(folder).as_posix()}", recursive=False, filter=plain)
    return content.getvalue()
