"""Writing the registry: register a version, give it a stage, take that back. Each is one more annotated tag, by GTO."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.release.history import (
    MODEL,
    PRODUCTION,
    STAGE_TAGS,
    VERSION_TAGS,
    Release,
    assignments,
    find,
    gto_errors,
    in_stage,
    json_at,
    judged_metrics,
    nearest,
    releases,
)
from lightloop.release.publication import keep_card, publish
from lightloop.release.repository import git, require_commit, require_identity, require_repository
from lightloop.serving.manifest import verify_bundle

FIRST = "v0.1.0"
BUMPS = ("major", "minor", "patch")
ROLLBACK = "rollback"  # first word of the message of a tag that takes a promotion back
FUTURE = 5  # seconds that the clocks of two machines may differ
SHOWN = ("accuracy", "macro_f1", "log_loss")  # in the list of releases


def register(
    project: Project,
    *,
    version: str | None = None,
    bump: str = "minor",
    commit: bool = False,
    message: str | None = None,
) -> Release:
    """Make the present bundle a version: push it and the data to the DVC remote, then tag the commit.

    The tag's message says the verdict, the metric that decided with its interval, and the bundle's digest. A refused
    bundle can be registered; only its promotion is refused.

    Args:
        project: whose bundle.
        version: such as v1.2.0; default: the highest one with the next number, v0.1.0 the first time.
        bump: which number of the version rises: "major", "minor" or "patch".
        commit: commit the loop's own outputs first; else all must be committed already.
        message: further lines for the tag.

    Raises:
        UsageError: the tree holds other changes, the bundle is not the judged one or is registered already, the
            version is taken or malformed, no git identity, or a clone that may lack tags. No tag was made.
        LightloopError: the DVC remote can't be reached.
    """
    require_repository(project.root)
    require_commit(project.root)
    require_identity(project.root)
    gate = _judged(project)
    for release in releases(project):
        if release.digest == gate["bundle_digest"]:
            raise UsageError(f"this bundle is registered already, as {release.version}: promote that one")
    name = _new_version(project.root, version, bump)

    if commit:
        from lightloop.release.sbom import write_sbom

        write_sbom(project, project.bundle, project.sbom)
        keep_card(project, gate["bundle_digest"])
    publish(project, commit=commit, title=f"Release {name} of the model: gate {gate['verdict']}")
    for release in releases(project):
        if release.commit == require_commit(project.root):
            raise UsageError(
                f"the commit {release.commit[:7]} is {release.version} already: commit the new state first"
            )

    from gto import api

    lines = [_summary(project, name, gate), *([message] if message else [])]
    with gto_errors():
        api.register(project.root, MODEL, "HEAD", version=name, message="\n\n".join(lines))
    return find(releases(project), name)


def promote(project: Project, *, stage: str, version: str | None = None, force: bool = False) -> Release:
    """Put a version into a stage, by an annotated tag.

    Args:
        project: whose registry.
        stage: one of those in `.gto`.
        version: default: the one that was registered from the commit that is checked out.
        force: promote also what the gate refused or judged against another champion; the tag's message says so.

    Raises:
        UsageError: an unknown stage or version; the version stands there already; no git identity.
        RefusedError: the gate's verdict, read at the version's tag, does not allow it, and `force` is not given.
    """
    known = _ready_to_write(project, stage)
    release = find(known, version) if version else _checked_out(project, known)
    if stage in release.stages:
        raise UsageError(f"{release.version} stands in {stage} already: nothing is to be done")
    objection = _objection(project, release, in_stage(known, stage), stage)
    if objection and not force:
        raise RefusedError(
            f"{release.version} can't be promoted to {stage}: {objection}; `--force` does it and records it"
        )
    summary = release.message.splitlines()[0] if release.message else release.version
    return _assign(project, release, stage, f"forced: {objection}\n\n{summary}" if objection else summary)


def rollback(project: Project, *, stage: str = PRODUCTION) -> Release:
    """Put back the version that stood in a stage before the present one, by a further tag: history only grows.

    A second rollback goes one further back, not forth again.

    Raises:
        UsageError: an unknown stage, or no version stood there before.
    """
    known = _ready_to_write(project, stage)
    present = in_stage(known, stage)
    if present is None:
        raise UsageError(f"nothing stands in {stage}, so there is nothing to roll back")
    stood: list[str] = []
    for event in assignments(project.root):
        if event["stage"] != stage:
            continue
        if event["message"].startswith(ROLLBACK) and event["version"] in stood:
            while stood[-1] != event["version"]:
                stood.pop()
        else:
            stood.append(event["version"])
    available = {release.version for release in known} - {present.version}
    earlier = [version for version in stood if version in available]
    if not earlier:
        raise UsageError(f"no version stood in {stage} before {present.version}: there is nothing to go back to")
    return _assign(project, find(known, earlier[-1]), stage, f"{ROLLBACK} from {present.version} to {earlier[-1]}")


def stage_names(project: Project) -> list[str]:
    """The stages that `.gto` allows.

    Raises:
        UsageError: `.gto` names none or is damaged.
    """
    from gto.config import read_registry_config

    # GTO itself looks at the top of the git repository alone, and a project may lie in a folder of it.
    with gto_errors():
        names = read_registry_config(str(project.root / ".gto")).stages
    if not names:
        raise UsageError(".gto names no stages: give it a line such as `stages: [staging, production]`")
    return list(names)


def print_releases(project: Project) -> None:
    """Print all versions as a table: stages, verdict, metrics, who and when."""
    known = releases(project)
    console = Console(soft_wrap=True, highlight=False)
    if not known:
        console.print("no version is registered yet: `lightloop register` makes the first", markup=False)
        return
    shown = [name for name in SHOWN if any(name in release.metrics for release in known)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("version", "stages", "gate", *shown, "registered", "by", "commit"):
        table.add_column(title, no_wrap=True)
    for release in known:
        table.add_row(
            release.version,
            ", ".join(release.stages) or "-",
            release.verdict or "-",
            *(_value(release.metrics.get(name)) for name in shown),
            release.created.astimezone().strftime("%Y-%m-%d %H:%M"),
            release.author,
            release.commit[:7],
        )
    console.print(table)


def _judged(project: Project) -> dict[str, Any]:
    """The verdict on the bundle that lies there."""
    gate: dict[str, Any] = read_json(project.gate)
    if gate["bundle_digest"] != verify_bundle(project.bundle):
        raise UsageError("the gate judged another bundle than the one that lies there: run `lightloop run`")
    return gate


def _new_version(root: Path, version: str | None, bump: str) -> str:
    """The version to make, checked against every tag that there is, also those that GTO does not count."""
    from gto.versions import SemVer

    listed = git(root, "for-each-ref", "--format=%(refname)", VERSION_TAGS).split()
    names = (name.partition("@")[2].partition("#")[0].rstrip("!") for name in listed)
    taken = sorted({name for name in names if SemVer.is_valid(name)}, key=SemVer)
    if version is None:
        if bump not in BUMPS:
            raise UsageError(f"bump is {bump!r}{nearest(bump, list(BUMPS))}; expected {', '.join(BUMPS)}")
        return str(SemVer(taken[-1]).bump(**{f"bump_{bump}": True}).version) if taken else FIRST
    version = version if version.startswith("v") else f"v{version}"
    if not SemVer.is_valid(version):
        raise UsageError(f"{version} is no version: expected three numbers, such as v1.2.0")
    if version in taken:
        raise UsageError(f"{version} exists already: the highest is {taken[-1]}")
    return version


def _summary(project: Project, version: str, gate: dict[str, Any]) -> str:
    metrics = judged_metrics(gate, read_json(project.metrics))
    metric = next((check["figures"]["metric"] for check in gate["checks"] if "metric" in check["figures"]), None)
    measured = f", {metric} {_estimate(metrics.get(metric))}" if metric else ""
    return f"{version}: gate {gate['verdict']}{measured}, bundle {gate['bundle_digest'][:12]}"


def _estimate(interval: dict[str, float | None] | None) -> str:
    low, high = ((interval or {}).get(key) for key in ("low", "high"))
    return _value(interval) + ("" if low is None or high is None else f" [{low:.4f}, {high:.4f}]")


def _value(interval: dict[str, float | None] | None) -> str:
    value = (interval or {}).get("value")
    return "undefined" if value is None else f"{value:.4f}"


def _ready_to_write(project: Project, stage: str) -> list[Release]:
    require_repository(project.root)
    require_commit(project.root)
    names = stage_names(project)
    if stage not in names:
        raise UsageError(f"there is no stage {stage!r}{nearest(stage, names)}; .gto names {', '.join(names)}")
    require_identity(project.root)
    return releases(project)


def _checked_out(project: Project, known: list[Release]) -> Release:
    """The version of the commit that is checked out: never "the latest", which another person may have made."""
    commit = require_commit(project.root)
    for release in known:
        if release.commit == commit:
            return release
    if not known:
        raise UsageError("no version is registered yet: `lightloop register` makes the first")
    names = ", ".join(release.version for release in known)
    raise UsageError(f"the commit {commit[:7]} is not registered: say which version with `--version` ({names})")


def _objection(project: Project, release: Release, present: Release | None, stage: str) -> str | None:
    """Why the verdict that is in git at the version's tag does not allow the promotion, or None."""
    verdict = json_at(project.root, release.tag, project.relative(project.gate))
    if verdict is None:
        return f"there is no readable gate verdict in git at {release.tag}"
    if verdict["verdict"] != "accepted":
        failed = [check["message"] for check in verdict["checks"] if not check["passed"]]
        return f"gate refused: {failed[0]}" if failed else "gate refused"
    # The gate compares with production. Other stages have no champion of their own.
    judged = (verdict["champion"] or {}).get("version")
    stands = present.version if present else None
    if stage == PRODUCTION and judged != stands:
        return f"the gate compared with {judged or 'no champion'}, but {stands or 'nothing'} stands in {stage} now"
    return None


def _assign(project: Project, release: Release, stage: str, message: str) -> Release:
    from gto import api

    _wait_for_a_new_second(project.root)
    with gto_errors():
        api.assign(project.root, MODEL, stage, version=release.version, message=message, force=True)
    now = find(releases(project), release.version)
    if stage not in now.stages:
        raise LightloopError(f"GTO wrote the tag, but {release.version} does not stand in {stage}: see `gto history`")
    return now


def _wait_for_a_new_second(root: Path) -> None:
    """GTO orders assignments by the seconds of their tags: two within one second would contradict each other."""
    stamps = git(root, "for-each-ref", "--format=%(taggerdate:unix)", STAGE_TAGS).split()
    newest = max(map(int, stamps), default=0)
    ahead = newest - time.time()
    if ahead > FUTURE:
        raise UsageError(
            f"the registry's newest tag is {ahead:.0f} s ahead of this machine's clock, so that a new one would not "
            "count: set the clock"
        )
    time.sleep(max(0.0, ahead + 1))
