"""Reading the registry: which versions of the model there are, and which of them stands in which stage.

Its facts are annotated git tags that GTO writes and reads (`model@v0.2.0` names a version, `model#production#3` is a
stage given to one); what stands where now is computed from them.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.repository import file_at, git, require_repository

MODEL = "model"  # its name in dvc.yaml's artifacts
PRODUCTION = "production"  # the champion stands here
VERSION_TAGS = f"refs/tags/{MODEL}@*"
STAGE_TAGS = f"refs/tags/{MODEL}#*"


@dataclass(frozen=True)
class Release:
    """A version of the model, as its tag and the evidence in git at that tag say.

    Attributes:
        version: such as v0.2.0.
        tag: that registered it, such as model@v0.2.0.
        commit: that the tag names, 40 hexadecimal digits.
        author: who registered it.
        created: when.
        message: of the tag.
        stages: in which it stands now.
        verdict: of the gate, "accepted" or "refused", or None where there was none.
        digest: of the bundle that the gate judged, or None.
        metrics: by name `value`, `low`, `high`, of the bundle that the gate judged; empty where there are none.
    """

    version: str
    tag: str
    commit: str
    author: str
    created: datetime
    message: str
    stages: tuple[str, ...]
    verdict: str | None
    digest: str | None
    metrics: dict[str, dict[str, float | None]]


def releases(project: Project) -> list[Release]:
    """All versions, the highest first.

    Raises:
        UsageError: not a git repository, or a clone that may lack tags.
        LightloopError: tags contradict each other.
    """
    require_repository(project.root)
    if not registry_tags(project.root):
        return []
    from gto import api

    with gto_errors():
        versions: Any = api.show(project.root, MODEL)
        stages = {version["version"]: tuple(stage["stage"] for stage in version["stages"]) for version in versions}
        _refuse_ties(assignments(project.root))
    for version, held in stages.items():
        if held and not version.startswith("v"):
            raise LightloopError(
                f"{held[0]} stands on commit {version[:7]}, which no tag {MODEL}@v... names as a version: "
                "get the missing tag with `git fetch --tags`, or promote a version anew"
            )
    return [_release(project.root, version) for version in versions if version["version"].startswith("v")]


def production(project: Project) -> Release | None:
    """The champion: the version that stands in production, or None.

    Raises:
        UsageError: not a git repository, or a clone that may lack tags.
        LightloopError: tags contradict each other.
    """
    return in_stage(releases(project), PRODUCTION)


def in_stage(known: list[Release], stage: str) -> Release | None:
    """The one of `known` that stands in `stage`, or None."""
    return next((release for release in known if stage in release.stages), None)


def find(known: list[Release], version: str) -> Release:
    """The release of a version.

    Raises:
        UsageError: there is none; names the nearest.
    """
    version = version if version.startswith("v") else f"v{version}"
    for release in known:
        if release.version == version:
            return release
    names = [release.version for release in known]
    if not names:
        raise UsageError("no version is registered yet: `lightloop register` makes the first")
    raise UsageError(f"there is no version {version}{nearest(version, names)}; registered are {', '.join(names)}")


def assignments(root: Path) -> list[dict[str, Any]]:
    """Every time that a stage was given to a version, the oldest first."""
    from gto import api

    with gto_errors():
        history: Any = api.history(root, MODEL, ascending=True)
    given = [dict(event) for event in history if event["event"] == "assignment"]
    return sorted(given, key=lambda event: (event["timestamp"], int(event["ref"].rpartition("#")[2])))


def registry_tags(root: Path) -> str:
    """Every annotated tag of the registry with its object: equal texts mean that nothing was registered since."""
    lines = git(root, "for-each-ref", "--format=%(objecttype) %(refname) %(objectname)", VERSION_TAGS, STAGE_TAGS)
    return "\n".join(line for line in lines.splitlines() if line.startswith("tag "))


def json_at(root: Path, tag: str, path: str) -> dict[str, Any] | None:
    """The content of a JSON file of the project as it is in git at a tag; None where it is not in git or damaged.

    A damaged file of an old version must not close the whole registry: without a verdict a version can't be promoted.
    """
    try:
        content = json.loads(file_at(root, tag, path) or "null")
    except json.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def judged_metrics(gate: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """The metrics of what was judged: a compressed bundle's own, else the network's.

    Args:
        gate: content of gate.json, or nothing.
        metrics: content of metrics.json, or nothing.

    Examples:
        >>> network = {"metrics": {"accuracy": {"value": 0.9}}}
        >>> judged_metrics({"verdict": "accepted"}, network)
        {'accuracy': {'value': 0.9}}
        >>> judged_metrics({"metrics": {"accuracy": {"value": 0.89}}}, network)
        {'accuracy': {'value': 0.89}}
    """
    found: dict[str, dict[str, float | None]] = gate.get("metrics") or metrics.get("metrics", {})
    return found


def nearest(name: str, valid: list[str]) -> str:
    """The end of a sentence that guesses what was meant, or nothing."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else ""


@contextmanager
def gto_errors() -> Iterator[None]:
    """GTO's errors as ours."""
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    try:
        yield
    except (GTOException, SCMError) as error:
        raise LightloopError(f"GTO says: {' '.join(str(error).split())}") from error


def _refuse_ties(assignments: list[dict[str, Any]]) -> None:
    last: dict[str, dict[str, Any]] = {}
    before: dict[str, dict[str, Any]] = {}
    for event in assignments:
        if event["stage"] in last:
            before[event["stage"]] = last[event["stage"]]
        last[event["stage"]] = event
    for stage, event in before.items():
        newest = last[stage]
        if event["timestamp"] == newest["timestamp"] and event["version"] != newest["version"]:
            raise LightloopError(
                f"{event['ref']} and {newest['ref']} carry the same second, so that the registry can't say which of "
                f"them stands: delete the one that should not, with `git tag --delete`"
            )


def _release(root: Path, version: dict[str, Any]) -> Release:
    tag = version["ref"]
    gate = json_at(root, tag, "artifacts/gate.json") or {}
    metrics = json_at(root, tag, "artifacts/evaluation/metrics.json") or {}
    return Release(
        version=version["version"],
        tag=tag,
        commit=version["commit_hexsha"],
        author=version["author"],
        created=version["created_at"],
        message=version["message"],
        stages=tuple(sorted(stage["stage"] for stage in version["stages"])),
        verdict=gate.get("verdict"),
        digest=gate.get("bundle_digest"),
        metrics=judged_metrics(gate, metrics),
    )
