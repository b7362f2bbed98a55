"""What the stand-in for W&B's server was told: runs, artifacts, links and views."""

import json
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Run:
    """What the server was told about a run."""

    about: dict[str, Any] = field(default_factory=dict)
    history: dict[int, dict[str, Any]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    alerts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def config(self) -> dict[str, Any]:
        return {key: item["value"] for key, item in json.loads(self.about.get("config") or "{}").items()}

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [self.history[step] for step in sorted(self.history)]


@dataclass
class Artifact:
    """A version in a collection, or one that is not committed yet."""

    id: str
    collection: str
    type: str
    digest: str
    metadata: dict[str, Any]
    client_id: str
    sequence_client_id: str
    index: int
    aliases: set[str]
    manifest: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    committed: bool = False
    logged_by: set[str] = field(default_factory=set)
    used_by: set[str] = field(default_factory=set)


@dataclass
class State:
    """All that the server knows; without an organization there is no registry."""

    organization: bool = True
    runs: dict[str, Run] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    links: dict[str, dict[str, str]] = field(default_factory=dict)  # by registry collection: alias -> artifact id
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def run(self, **about: str) -> Run:
        """The one run of which all of `about` is true."""
        [found] = [run for run in self.runs.values() if about.items() <= run.about.items()]
        return found

    def committed(self, type: str) -> list[Artifact]:
        """Versions of a type, the oldest first."""
        return [artifact for artifact in self.artifacts.values() if artifact.committed and artifact.type == type]
