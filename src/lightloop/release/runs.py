"""Runs and releases over time: from the registry's tags, the commits that hold evidence, and this clone's own record.

A run is what came of a config, code and data: its evidence. The same result that was seen at several places (run here,
committed, released) is one run; it is told by the digest of the bundle that the gate judged.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import yaml

from lightloop.errors import LightloopError
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.release.history import Release, judged_metrics, releases
from lightloop.release.repository import files_at, git, git_or_none

METRICS, GATE, PARAMS, DATA = "artifacts/evaluation/metrics.json", "artifacts/gate.json", "params.yaml", "data.dvc"
# Commits that are looked at, the newest; a page of more is not read.
MOST_COMMITS = 200


@dataclass(frozen=True)
class Run:
    """What came of a run.

    Attributes:
        when: it was first seen: run here, committed or registered; in UTC, to the second.
        name: of the config.
        data: name of the data set.
        data_version: its hash, or None.
        problem: such as classification.
        network: its name.
        seed: of the config.
        metric: that the gate decides by.
        verdict: of the gate, or None.
        digest: of the bundle that it judged, or None.
        n: test records, or None.
        confidence: of the intervals, or None.
        metrics: by name `value`, `low`, `high`.
        commit: that holds the evidence, or that was checked out when it was run here; or None.
        committed: whether that commit holds the evidence.
        version: of the release, or None.
        stages: of the registry in which it stands now.
        here: whether it was run in this clone.
    """

    when: datetime
    name: str
    data: str
    data_version: str | None
    problem: str
    network: str
    seed: int | None
    metric: str
    verdict: str | None
    digest: str | None
    n: int | None
    confidence: float | None
    metrics: dict[str, dict[str, float | None]]
    commit: str | None = None
    committed: bool = False
    version: str | None = None
    stages: tuple[str, ...] = ()
    here: bool = False

    @property
    def identity(self) -> str:
        """What two sights of the same result share."""
        told = self.digest or json.dumps(self.metrics, sort_keys=True)
        return f"{self.data} {self.data_version} {self.verdict} {told}"


@dataclass(frozen=True)
class Runs:
    """All that is known.

    Attributes:
        runs: the oldest first.
        unread: why releases and commits could not be read, or None.
    """

    runs: tuple[Run, ...]
    unread: str | None = None


def record_run(project: Project) -> bool:
    """Add the run whose evidence lies there to this clone's record; return whether it was not in it yet.

    The record only grows. It is of this clone alone: `.lightloop/` is not in git.

    Raises:
        LightloopError: evidence is missing or damaged.
    """
    commit = git_or_none(project.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    run = _run(
        read_json(project.root / METRICS),
        read_json(project.root / GATE),
        yaml.safe_load(project.params.read_text(encoding="utf-8")),
        project.data_version(),
        datetime.now(UTC).replace(microsecond=0),
    )
    if run is None:
        raise LightloopError(f"{PARAMS} or {METRICS} is not whole: run `lightloop run`")
    run = replace(run, commit=commit.strip() if commit else None, here=True)
    if run.identity in {known.identity for known in recorded_runs(project)}:
        return False
    project.run_record.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(run) | {"when": run.when.isoformat()}, ensure_ascii=False)
    # A run that was killed may have left half a line.
    broken = project.run_record.exists() and not project.run_record.read_bytes().endswith(b"\n")
    with project.run_record.open("a", encoding="utf-8") as file:
        file.write(("\n" if broken else "") + line + "\n")
    return True


def recorded_runs(project: Project) -> list[Run]:
    """The runs of this clone, the oldest first. Lines that are not whole are left out."""
    if not project.run_record.exists():
        return []
    found = []
    for line in project.run_record.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
            when = datetime.fromisoformat(content.pop("when"))
            found.append(Run(when=when, **{**content, "stages": tuple(content["stages"])}))
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


def all_runs(project: Project) -> Runs:
    """Runs of this clone, of the commits that hold evidence, and releases, each result once, the oldest first."""
    here, unread = recorded_runs(project), None
    committed: list[Run] = []
    known: list[Release] = []
    try:
        known = releases(project)
        committed = list(committed_runs(project, [release.commit for release in known]))
    except LightloopError as error:
        # The page names no path of this machine.
        unread = str(error).replace(str(project.root), "this folder")
    merged: dict[str, Run] = {}
    for run in sorted([*here, *committed], key=lambda one: one.when):
        first = merged.get(run.identity)
        merged[run.identity] = run if first is None else _together(first, run)
    by_digest = {release.digest: release for release in known if release.digest}
    by_commit = {release.commit: release for release in known if not release.digest}
    runs = []
    for run in merged.values():
        release = by_digest.get(run.digest or "") or (by_commit.get(run.commit or "") if run.committed else None)
        runs.append(replace(run, version=release.version, stages=release.stages) if release else run)
    return Runs(tuple(sorted(runs, key=lambda one: (one.when, one.identity))), unread)


def committed_runs(project: Project, tagged: Sequence[str] = ()) -> Iterator[Run]:
    """The runs whose evidence is in git: in the newest commits that changed it, and in those of releases."""
    root = project.root
    if git_or_none(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        return
    form = "--format=%H %cI"
    listed = git(root, "log", form, f"--max-count={MOST_COMMITS}", "HEAD", "--", METRICS, GATE).splitlines()
    listed += git(root, "log", "--no-walk", form, *tagged).splitlines() if tagged else []
    commits = dict(line.split(" ") for line in listed)
    paths = (METRICS, GATE, PARAMS, DATA)
    texts = iter(files_at(root, [(commit, path) for commit in commits for path in paths]))
    for commit, stamp in commits.items():
        metrics, gate, params, data = (next(texts) for _ in paths)
        when = datetime.fromisoformat(stamp).astimezone(UTC)
        run = _run(_json(metrics), _json(gate), _yaml(params), _version(_yaml(data)), when)
        if run is not None:
            yield replace(run, commit=commit, committed=True)


def _together(first: Run, second: Run) -> Run:
    """Two sights of one result: the first time, and the commit that holds it."""
    holder = first if first.committed or not second.committed else second
    return replace(first, commit=holder.commit, committed=holder.committed, here=first.here or second.here)


def _run(metrics: Any, gate: Any, params: Any, version: str | None, when: datetime) -> Run | None:
    """A run from the content of its files; None where they do not say enough."""
    try:
        gate = gate if isinstance(gate, Mapping) else {}
        return Run(
            when=when,
            name=str(params["name"]),
            data=str(params["data"]["name"]),
            data_version=version,
            problem=str(params["data"]["problem"]),
            network=str(params["network"]["name"]),
            seed=params.get("seed"),
            metric=str(params["gate"]["metric"]),
            verdict=gate.get("verdict"),
            digest=gate.get("bundle_digest"),
            n=metrics.get("n"),
            confidence=metrics.get("confidence"),
            metrics={
                name: {key: found.get(key) for key in ("value", "low", "high")}
                for name, found in judged_metrics(gate, metrics).items()
            },
        )
    except (KeyError, TypeError, AttributeError):
        return None


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except json.JSONDecodeError:
        return None


def _yaml(text: str | None) -> Any:
    try:
        return yaml.safe_load(text or "null")
    except yaml.YAMLError:
        return None


def _version(pointer: Any) -> str | None:
    """The hash of the data in the content of data.dvc."""
    outs = pointer.get("outs") if isinstance(pointer, Mapping) else None
    return next((str(out["md5"]) for out in outs or [] if isinstance(out, Mapping) and "md5" in out), None)
