"""`lightloop deploy --target local`: the release in production as a supervised service on this machine.

    .lightloop/service/
      service.json   which process serves; this file alone decides it
      lock           held while somebody deploys
      last.json      what came of the last deployment
      bundles/       of what is served, and of what was served before it
      runs/N/        folder of a service, see `service.processes.state`; with its `log`

A new service starts beside the old one with the old one's listening socket in its hands, answers on a private socket
until it proved itself, then on the public one too; then `service.json` names it, and the old one answers what it has
and ends. Nothing is ever closed that somebody waits at.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

from lightloop.config.serve import ServeConfig
from lightloop.deploy.process import Deployed, Start, environment, failure_path, prepare, words
from lightloop.deploy.released import DEPLOY_ROOT, fetched, folder_of, kept, production_release
from lightloop.deploy.smoke import smoke
from lightloop.deploy.trying import current_health, put_back, try_out
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.history import PRODUCTION
from lightloop.service.processes.control import ask
from lightloop.service.processes.state import Health, Replaced, Served, ServiceFolder, put, read, start_of
from lightloop.service.settings import settings_of
from lightloop.service.tally import Tally

STARTING = 60.0  # seconds that a new service may take until it is ready
LOOK = 0.05
Say = Callable[[str], None]


class Last(BaseModel):
    """`last.json`: what came of the last deployment.

    Attributes:
        version: title of the release.
        result: `done`, or `failed`: then what was served before is served still.
        why: one sentence, where it failed.
        at: when, UTC, as ISO 8601.
        seconds: that it took.
    """

    version: str
    result: Literal["done", "failed"]
    why: str | None
    at: str
    seconds: float


def service_path(project: Project) -> Path:
    return folder_of(project) / "service.json"


def last_path(project: Project) -> Path:
    return folder_of(project) / "last.json"


def running(project: Project) -> Deployed | None:
    """The service that runs, or None."""
    named = read(service_path(project), Deployed)
    return named if named is not None and named.runs() else None


def deploy(
    project: Project,
    overrides: Sequence[str] = (),
    *,
    settings: ServeConfig | None = None,
    canary: float | None = None,
    shadow: bool = False,
    say: Say = print,
) -> str:
    """Have the release in production served on this machine.

    Args:
        project: whose registry is asked.
        overrides: of `serve`.
        settings: instead of those that the config, the environment and the overrides say.
        canary: share of the requests that the new release answers first, until it proved itself beside the old one.
        shadow: whether it is compared first, without answering.
        say: told what happens, a sentence each.

    Returns:
        The address of the service.

    Raises:
        UsageError: nothing stands in production, a wrong setting, the address is taken, or somebody else deploys.
        RefusedError: the trial went against the new release.
        LightloopError: it does not begin, or does not answer as it should. What was served is served still.
    """
    folder_of(project).mkdir(parents=True, exist_ok=True, mode=0o700)
    with _lock(project):
        begun = time.monotonic()
        release = production_release(project)
        try:
            served = fetched(project, release)
            settings = settings or settings_of(project, overrides)
            old = running(project)
            if old is not None and _is_that(old, served, settings):
                say(f"{served.title} is served already")
                return current_health(old).address
            # What answered before the trial, which ends with the new release in the old process.
            replaced = _replaced(old)
            if old is not None and (canary is not None or shadow):
                try_out(old, served, canary, say)
            elif canary is not None or shadow:
                say("nothing is served yet that it could be tried beside")
            try:
                address = _replace(project, settings, served, old, replaced=replaced, say=say)
            except BaseException:
                if old is not None and replaced is not None and running(project) == old:
                    put_back(old, replaced.served, say)
                raise
        except LightloopError as error:
            _record(project, release.version, begun, str(error))
            raise
        _record(project, release.version, begun, None)
        kept(project, [served.version, replaced.served.version if replaced else None])
        return address


def stop(project: Project, say: Say = print) -> None:
    """Stop the service; what is in flight is answered.

    Raises:
        UsageError: none runs.
    """
    with _lock(project):
        named = running(project)
        if named is None:
            raise UsageError("no service of this project runs: `lightloop deploy` starts one")
        _end(named, _drain(named), hand_over=False)
        service_path(project).unlink(missing_ok=True)
        say(f"{named.version} is not served any more")


def deploy_again(project: Project, *, stage: str, wanted: bool | None, say: Say = print) -> None:
    """Deploy what stands in production after the registry changed.

    Args:
        project: whose registry.
        stage: that changed.
        wanted: whether to; None: where a service runs. With the settings of that service.
        say: see `deploy`.
    """
    named = running(project)
    if wanted is False or (wanted is None and (named is None or stage != PRODUCTION)):
        return
    if stage != PRODUCTION:
        raise UsageError(f"--deploy serves what stands in {PRODUCTION}, not in {stage}: leave it out")
    deploy(project, settings=ServiceFolder(Path(named.folder)).settings() if named else None, say=say)


def health_of(project: Project) -> tuple[Deployed, Health] | None:
    """The service that runs and how it is, or None."""
    named = running(project)
    return (named, current_health(named)) if named else None


@contextmanager
def _lock(project: Project) -> Iterator[None]:
    """One deployment at a time. The kernel lets go when the process ends, however it ends."""
    path = folder_of(project) / "lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UsageError(
                f"another deployment is under way (process {file.read().strip() or 'unknown'}): wait until it is done"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _is_that(named: Deployed, served: Served, settings: ServeConfig) -> bool:
    """Whether the very release is served with these settings, and well."""
    health = ServiceFolder(Path(named.folder)).health()
    return (
        health is not None
        and health.trouble is None
        and (health.current.digest, health.current.version) == (served.digest, served.version)
        and ServiceFolder(Path(named.folder)).settings() == settings
    )


def _replace(
    project: Project,
    settings: ServeConfig,
    served: Served,
    old: Deployed | None,
    *,
    replaced: Replaced | None,
    say: Say,
) -> str:
    """Start the new service, try it, let it answer, and end the old one."""
    folder = _fresh(project)
    new = ServiceFolder(folder)
    start = Start(
        served=served,
        deployed=str(service_path(project)),
        deployer=(os.getpid(), start_of(os.getpid()) or ""),
        inherit=_inherited(old, settings),
        replaced=replaced,
    )
    prepare(folder, settings, start)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            words(folder),
            # What the settings name relative to the project must last as long as the service.
            cwd=folder_of(project) if os.environ.get(DEPLOY_ROOT) else project.root,
            env=environment(project.root, settings, folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, folder, lambda health: health.trouble is None, "is not ready")
        answered = smoke(new.private, served)
        say(f"{served.title} is ready beside, and answers {answered} golden records as they were released")
        ask(new.control, do="publish")
        health = _wait(process, folder, lambda health: health.public, "does not answer its public address")
        named = Deployed(
            pid=process.pid,
            started=start_of(process.pid) or "",
            folder=str(folder),
            version=served.title,
            since=_now(),
        )
        put(service_path(project), named)
    except BaseException:
        _break_off(process, settings.drain)
        raise
    # It goes on without us: for Popen it is as if it had ended, so that nobody waits for it.
    process.returncode = 0
    if old is not None:
        _end(old, _drain(old), hand_over=True)
    say(f"{served.title} is served at {health.address}")
    return health.address


def _inherited(old: Deployed | None, settings: ServeConfig) -> str | None:
    """The control socket of who has the listening socket, where the address stays the same."""
    if old is None:
        return None
    before = ServiceFolder(Path(old.folder)).settings()
    # serve.port=0 may have found the very port that is named now.
    health = ServiceFolder(Path(old.folder)).health()
    ports = (before.port, urlsplit(health.address).port if health else None)
    if before.host != settings.host or settings.port not in ports:
        return None
    return str(ServiceFolder(Path(old.folder)).control)


def _replaced(old: Deployed | None) -> Replaced | None:
    """What the new service takes over from, and is held against."""
    folder = ServiceFolder(Path(old.folder)) if old is not None else None
    health = folder.health() if folder is not None else None
    if folder is None or health is None:
        return None
    reports = (folder.report(worker.index) for worker in health.workers)
    told = [one.tallies[health.current.digest] for one in reports if one and health.current.digest in one.tallies]
    return Replaced(served=health.current, tally=Tally.total(map(Tally.from_json, told)).as_json())


def _wait(
    process: "subprocess.Popen[bytes]", folder: Path, reached: Callable[[Health], bool], not_reached: str
) -> Health:
    """Wait until a new service is so far."""
    end = time.monotonic() + STARTING
    service = ServiceFolder(folder)
    while time.monotonic() < end:
        if process.poll() is not None:
            with suppress(OSError):
                raise LightloopError(failure_path(folder).read_text(encoding="utf-8"))
            raise LightloopError(
                f"the new service ended at once (exit code {process.returncode}): see {folder / 'log'}"
            )
        health = service.health()
        if health is not None and reached(health):
            return health
        time.sleep(LOOK)
    health = service.health()
    why = f" ({health.trouble})" if health and health.trouble else ""
    raise LightloopError(f"the new service {not_reached} after {STARTING:g} s{why}: see {folder / 'log'}")


def _break_off(process: "subprocess.Popen[bytes]", drain: float) -> None:
    """End a new service that is not to serve."""
    process.terminate()
    try:
        process.wait(drain + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end(named: Deployed, drain: float, *, hand_over: bool) -> None:
    """Have a service answer what it has, and wait until it ended."""
    with suppress(LightloopError):
        ask(ServiceFolder(Path(named.folder)).control, do="stop", hand_over=hand_over)
    end = time.monotonic() + drain + 10
    while named.runs() and time.monotonic() < end:
        time.sleep(LOOK)
    if named.runs():
        os.kill(named.pid, signal.SIGKILL)


def _drain(named: Deployed) -> float:
    return ServiceFolder(Path(named.folder)).settings().drain


def _fresh(project: Project) -> Path:
    """A folder for a new service; those of services that ended are removed, but for the log of the last."""
    runs = folder_of(project) / "runs"
    runs.mkdir(exist_ok=True)
    numbers = sorted(int(entry.name) for entry in runs.iterdir() if entry.name.isdigit())
    named = running(project)
    for number in numbers[:-1]:
        if named is None or Path(named.folder) != runs / str(number):
            shutil.rmtree(runs / str(number), ignore_errors=True)
    return runs / str(numbers[-1] + 1 if numbers else 1)


def _record(project: Project, version: str, begun: float, why: str | None) -> None:
    result: Literal["done", "failed"] = "failed" if why else "done"
    put(
        last_path(project),
        Last(version=version, result=result, why=why, at=_now(), seconds=round(time.monotonic() - begun, 1)),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
