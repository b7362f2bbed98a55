"""What the processes of a service tell each other: small JSON files in one folder, each with a single writer.

    settings.json   the settings that it was started with
    pointer.json    what is to be served, by the supervisor
    health.json     how it is, by the supervisor
    workers/N.json  how worker N is, by itself; `beat` is its sign of life
    prometheus/     counts of all workers
    control         the supervisor's socket for commands (`service.processes.control`)
    private         socket that answers HTTP without keys, for `lightloop deploy`

A file is renamed into place, so that no reader meets half of one.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from lightloop.config.serve import ServeConfig

Record = TypeVar("Record", bound=BaseModel)
State = Literal["loading", "ready", "stopping", "failed"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Served(_Record):
    """A bundle to be served.

    Attributes:
        folder: absolute path of the bundle.
        version: of the release, or None for a bundle that is none.
        digest: that the bundle has.
        about: what `Loaded` is told of the release: its metrics, its card.
    """

    folder: str
    version: str | None
    digest: str
    about: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """The version, or the beginning of the digest."""
        return self.version or f"bundle {self.digest[:12]}"


class Tried(Served):
    """A bundle to be tried beside the current one; see `slots.Candidate`."""

    mode: Literal["canary", "shadow"]
    share: float


class Replaced(_Record):
    """What a service takes over from.

    Attributes:
        served: the release that answers until then.
        tally: what it did, as `Tally.as_json`.
    """

    served: Served
    tally: dict[str, Any]


class Pointer(_Record):
    """What is to be served.

    Attributes:
        generation: rises with each change; by it workers say how far they are.
        current: that answers.
        candidate: that is tried.
        public: whether the public socket is answered too, or only the private one.
    """

    generation: int
    current: Served
    candidate: Tried | None = None
    public: bool = True


class WorkerReport(_Record):
    """How a worker is.

    Attributes:
        pid: of its process.
        beat: when it wrote this, on the machine's monotonic clock.
        state: what it does; `failed` with a reason in `why` before it ends.
        generation: of the pointer that it serves.
        refused: generation of a pointer that it could not load, and `why`.
        public: whether it answers the public socket.
        tallies: what each release did, by digest, as `Tally.as_json`.
    """

    pid: int
    beat: float
    state: State
    generation: int = 0
    refused: int = 0
    why: str | None = None
    public: bool = False
    tallies: dict[str, dict[str, Any]] = {}


class Change(_Record):
    """What came of the last change that was asked for.

    Attributes:
        what: `reload`, `canary`, `shadow`, or `return`: to the release before, since the one that took over did worse.
        version: title of the release.
        result: `under way`, `done`, `refused` before it answered anything, or `returned` after it did.
        why: one sentence, where it was not done, and of a return.
        figures: of a trial.
    """

    what: Literal["reload", "canary", "shadow", "return"]
    version: str
    result: Literal["under way", "done", "refused", "returned"]
    why: str | None = None
    figures: dict[str, float] = {}


class WorkerHealth(_Record):
    """A worker as the supervisor sees it."""

    index: int
    pid: int
    state: State | Literal["dead"]
    restarts: int


class Health(_Record):
    """How the service is.

    Attributes:
        pid: of the supervisor.
        started: its start, see `start_of`.
        beat: when it wrote this, on the machine's monotonic clock.
        trouble: why it is not ready, or None.
        address: of the public socket, as people type it.
        private: path of the private one, or None.
        public: whether all workers answer the public socket.
        current: that is served.
        candidate: that is tried.
        workers: each of them.
        change: the last one.
        watched: version that is returned to where the current one does worse; None where it is watched no more.
    """

    pid: int
    started: str
    beat: float
    trouble: str | None
    address: str
    private: str | None
    public: bool
    current: Served
    candidate: Tried | None
    workers: tuple[WorkerHealth, ...]
    change: Change | None = None
    watched: str | None = None


@dataclass(frozen=True)
class ServiceFolder:
    """The folder of a running service; see the module.

    Examples:
        >>> ServiceFolder(Path("/x")).pointer_path.as_posix()
        '/x/pointer.json'
    """

    root: Path

    @property
    def settings_path(self) -> Path:
        return self.root / "settings.json"

    @property
    def pointer_path(self) -> Path:
        return self.root / "pointer.json"

    @property
    def health_path(self) -> Path:
        return self.root / "health.json"

    @property
    def prometheus(self) -> Path:
        return self.root / "prometheus"

    @property
    def control(self) -> Path:
        return self.root / "control"

    @property
    def private(self) -> Path:
        return self.root / "private"

    def worker_path(self, index: int) -> Path:
        return self.root / "workers" / f"{index}.json"

    def create(self, settings: ServeConfig) -> None:
        """Make the folder, readable by its owner alone, with the settings."""
        for folder in (self.root, self.root / "workers", self.prometheus):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        put(self.settings_path, settings)

    def settings(self) -> ServeConfig:
        return ServeConfig.model_validate_json(self.settings_path.read_bytes())

    def pointer(self) -> Pointer:
        return Pointer.model_validate_json(self.pointer_path.read_bytes())

    def health(self) -> Health | None:
        return read(self.health_path, Health)

    def report(self, index: int) -> WorkerReport | None:
        return read(self.worker_path(index), WorkerReport)

    def silence(self, index: int, report: WorkerReport) -> float:
        """Seconds since a worker's last sign of life; on a full disk it can only touch its file."""
        since = time.monotonic() - report.beat
        try:
            return min(since, time.time() - self.worker_path(index).stat().st_mtime)
        except OSError:
            return since

    def keep(self, settings: ServeConfig, pointer: Pointer) -> None:
        """Write again what workers read, where it is gone: some systems clean up files that nobody changed for long."""
        for path, record in ((self.settings_path, settings), (self.pointer_path, pointer)):
            if not path.exists():
                put(path, record)


def put(path: Path, record: BaseModel) -> None:
    """Write a record so that a reader meets the old or the new one; the file has one writer."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(record.model_dump(mode="json")), encoding="utf-8")
    beside.replace(path)


def read(path: Path, kind: type[Record]) -> Record | None:
    """A record, or None where there is none that can be read."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def start_of(pid: int) -> str | None:
    """What tells a process from all others that have, had or will have its number; None where none of it runs.

    It is no time of day: a clock that is set must not make a process another one.

    Examples:
        >>> start_of(os.getpid()) == start_of(os.getpid())
        True
    """
    try:
        if sys.platform != "linux":
            return str(psutil.Process(pid).create_time())
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        state, ticks = fields[0], fields[19]
        # One that ended and waits for its parent does not run.
        return None if state == "Z" else f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{ticks}"
    except (OSError, psutil.Error):
        return None


def runs(pid: int, started: str) -> bool:
    """Whether the very process runs that had the number `pid` and the start `started`."""
    return start_of(pid) == started
