"""The registry: its tags, and whether what stands in production can be fetched."""

from collections.abc import Iterator

from lightloop.doctor.data import is_local, url_of_remote
from lightloop.doctor.finding import Area, Finding
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.release.history import in_stage, releases
from lightloop.release.repository import file_at, git_or_none

AREA = Area("registry")


def look_at_registry(project: Project) -> Iterator[Finding]:
    """Versions, what stands in production, and tags that the registry can't read."""
    listed = ("for-each-ref", "--format=%(refname:short) %(objecttype)", "refs/tags/model@*", "refs/tags/model#*")
    tags = (git_or_none(project.root, *listed) or "").splitlines()
    plain = [name for name, kind in map(str.split, tags) if kind != "tag"]
    if plain:
        yield AREA.broken(
            "tags",
            f"{plain[0]} is no annotated tag: it names nobody and no time",
            f"git tag -d '{plain[0]}', then `lightloop register` or `promote`",
        )
    try:
        known = releases(project)
    except LightloopError as error:
        yield AREA.broken("tags", str(error), "lightloop releases")
        return
    if not known:
        yield AREA.ok("versions", "no version is registered yet")
        return
    standing = in_stage(known, "production")
    if standing is None:
        yield AREA.look(
            "production",
            f"{len(known)} versions, and none stands in production",
            "lightloop promote VERSION production",
        )
        return
    yield AREA.ok("production", f"{standing.version} of {len(known)} versions")
    yield from _bundle(project, standing.tag, standing.version)


def _bundle(project: Project, tag: str, version: str) -> Iterator[Finding]:
    """Whether the bundle of a release is in the cache or in a remote that is a folder; of others that is not asked."""
    import yaml

    lock = file_at(project.root, tag, "dvc.lock")
    stages = (yaml.safe_load(lock) or {}).get("stages", {}) if lock else {}
    wanted = project.relative(project.bundle)
    found = [out["md5"] for stage in stages.values() for out in stage.get("outs", []) if out["path"] == wanted]
    if not found:
        yield AREA.broken(
            "bundle", f"dvc.lock at {tag} records no bundle: {version} can't be fetched", "promote a sound version"
        )
        return
    url = url_of_remote(project)
    folders = [project.root / ".dvc" / "cache"] + (
        [(project.root / ".dvc" / url).resolve()] if url and is_local(url) else []
    )
    if any((folder / "files" / "md5" / found[0][:2] / found[0][2:]).exists() for folder in folders):
        yield AREA.ok("bundle", f"the bundle of {version} is at hand")
    elif url and is_local(url):
        yield AREA.broken(
            "bundle",
            f"the bundle of {version} is neither in the cache nor in the remote: no run can compare with it",
            "`dvc push --all-tags` where it was made, or `lightloop rollback`",
        )
