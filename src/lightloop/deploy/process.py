"""The process of a service, a supervisor and nothing beside it: `python -m lightloop.deploy.process FOLDER [SOCKET]`.

`lightloop serve` becomes it; `lightloop deploy` starts it in the background, where it decides by `service.json` whether
it is the one that serves: whoever is killed when, one service goes on, and no second one stays.
"""

import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from lightloop.config.serve import ServeConfig
from lightloop.errors import LightloopError, UsageError
from lightloop.service.processes.control import ask_for_socket
from lightloop.service.processes.listening import address_of, bind, bind_private
from lightloop.service.processes.state import Replaced, Served, ServiceFolder, put, read, runs, start_of
from lightloop.service.processes.supervisor import Supervisor
from lightloop.serving.signature import PUBLIC_KEY, name_keys

LOOK = 0.5  # seconds between looks at who is to serve
# By this variable a runner of GitHub Actions finds what a job left behind, and ends it.
TRACKED = "RUNNER_TRACKING_ID"


class Deployed(BaseModel):
    """`service.json`: which process is the one that serves.

    Attributes:
        pid, started: of it, see `state.start_of`.
        folder: of the service.
        version: title of the release when it was deployed.
        since: when, UTC, as ISO 8601.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    started: str
    folder: str
    version: str
    since: str

    def runs(self) -> bool:
        return runs(self.pid, self.started)


class Start(BaseModel):
    """`start.json` in the folder of a service: what it is to do.

    Attributes:
        served: first.
        deployed: path of `service.json`; None for a service in the foreground.
        deployer: pid and start of who starts it, and without whom it ends as long as `service.json` does not name it.
        inherit: control socket of the service that has the public socket now.
        replaced: what that one serves, and how it did.
    """

    model_config = ConfigDict(frozen=True)

    served: Served
    deployed: str | None = None
    deployer: tuple[int, str] | None = None
    inherit: str | None = None
    replaced: Replaced | None = None


def start_path(folder: Path) -> Path:
    return folder / "start.json"


def failure_path(folder: Path) -> Path:
    """Why a service in the background did not begin, as one sentence."""
    return folder / "failed"


def main(folder: Path, descriptor: int | None) -> None:
    """Serve until told to stop.

    Args:
        folder: of the service, with `settings.json` and `start.json`.
        descriptor: of the bound public socket, where it was opened before.
    """
    home = ServiceFolder(folder)
    start = Start.model_validate_json(start_path(folder).read_bytes())
    settings = home.settings()
    # The project is the current folder, where there is one.
    name_keys(Path.cwd(), public=settings.public_key)
    if descriptor is not None:
        public = socket.socket(fileno=descriptor)
    elif start.inherit is not None:
        public = ask_for_socket(Path(start.inherit))
    else:
        public = bind(settings.host, settings.port)
    foreground = start.deployed is None
    if foreground:
        many = f"{settings.workers} worker{'s' if settings.workers > 1 else ''}"
        _say(f"{start.served.title} is served at {address_of(public)} by {many}; Ctrl-C stops it")
    try:
        Supervisor(
            home,
            settings,
            start.served,
            public,
            private=None if foreground else bind_private(home.private),
            published=foreground,
            replaced=start.replaced,
            each=(lambda _: None) if foreground else _Decision(start),
            say=_say,
        ).run()
    finally:
        if foreground:
            shutil.rmtree(folder, ignore_errors=True)
    if foreground:
        _say("stopped; every request that was accepted is answered")


class _Decision:
    """Whether this service is the one that serves; else it ends."""

    def __init__(self, start: Start) -> None:
        assert start.deployed is not None
        self._path, self._deployer = Path(start.deployed), start.deployer
        self._me = (os.getpid(), start_of(os.getpid()))
        self._looked = 0.0

    def __call__(self, supervisor: Supervisor) -> None:
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        named = read(self._path, Deployed)
        if named is not None and (named.pid, named.started) == self._me:
            self._deployer = None
            return
        other = named is not None and named.runs()
        if self._deployer is not None:
            if not runs(*self._deployer):
                _say("the deployment was broken off: this service ends")
                supervisor.stop(hand_over=other)
        elif other:
            _say("another service took over: this one answers what it has, and ends")
            supervisor.stop(hand_over=True)


def _say(sentence: str) -> None:
    print(f"lightloop: {sentence}", flush=True)


def prepare(folder: Path, settings: Any, start: Start) -> None:
    """Write what `main` reads."""
    ServiceFolder(folder).create(settings)
    put(start_path(folder), start)


def environment(root: Path, settings: ServeConfig, folder: Path) -> dict[str, str]:
    """What the process of a service is told by the environment.

    The key that bundles must be signed with is copied, since it must last as long as the service.

    Args:
        root: of the project.
        settings: of the service.
        folder: of the service.

    Raises:
        UsageError: there is no such key.
    """
    variables = {name: value for name, value in os.environ.items() if name != TRACKED}
    if settings.public_key is not None and not variables.get(PUBLIC_KEY):
        try:
            shutil.copyfile(root / settings.public_key, folder / "key.pub")
        except OSError as error:
            raise UsageError(
                f"serve.public_key is {settings.public_key}, which can't be read ({(error.strerror or '').lower()}): "
                "name the public file that `lightloop keygen` wrote"
            ) from None
        variables[PUBLIC_KEY] = str(folder / "key.pub")
    return variables


def words(folder: Path) -> list[str]:
    """The command that runs `main`; -P, since a folder of the project must not stand for a library of the same name."""
    return [sys.executable, "-P", "-m", "lightloop.deploy.process", str(folder)]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        main(place, int(sys.argv[2]) if len(sys.argv) > 2 else None)
    except LightloopError as error:
        if place.exists():  # in the foreground it is gone, and the terminal is read
            failure_path(place).write_text(str(error), encoding="utf-8")
        print(f"lightloop: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
