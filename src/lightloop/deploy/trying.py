"""A release that is tried in the process of the service that runs, beside what that one serves."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from lightloop.deploy.process import Deployed
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.service.processes.control import ask
from lightloop.service.processes.state import Health, Served, ServiceFolder, Tried

BACK = 60.0  # seconds that a service may take to have its own release back
LOOK = 0.05
Say = Callable[[str], None]


def current_health(named: Deployed) -> Health:
    """How a service is that should run.

    Raises:
        LightloopError: it ended.
    """
    health = ServiceFolder(Path(named.folder)).health()
    if health is None:
        raise LightloopError(f"the service of {named.version} ended: `lightloop deploy` starts it again")
    return health


def try_out(old: Deployed, served: Served, canary: float | None, say: Say) -> None:
    """Have the running service try the release, and wait for its decision."""
    service = ServiceFolder(Path(old.folder))
    mode: Literal["canary", "shadow"] = "shadow" if canary is None else "canary"
    share = 1.0 if canary is None else canary
    if not 0 < share <= 1:
        raise UsageError(f"--canary is {share:g}: expected a share of the requests, above 0 and up to 1")
    before = current_health(old).current
    tried = Tried(**served.model_dump(), mode=mode, share=share)
    ask(service.control, do="try", tried=tried.model_dump())
    say(f"{served.title} is tried beside {before.title}: {_words(mode, share)}")
    try:
        while True:
            time.sleep(4 * LOOK)
            health = current_health(old)
            change = health.change
            if change is None or change.result == "under way":
                continue
            if change.result == "done":
                say(f"its trial went well: {', '.join(f'{name} {value:g}' for name, value in change.figures.items())}")
                return
            raise RefusedError(f"{served.title} is not deployed: {change.why}; {before.title} is served still")
    except KeyboardInterrupt:
        with suppress(LightloopError):
            ask(service.control, do="withdraw", why="the deployment was interrupted")
        raise


def put_back(old: Deployed, before: Served, say: Say) -> None:
    """Have the old process answer with its own release again, where a trial left it with the one that does not begin.

    Nothing is watched: how the new release did in the trial says nothing against the one before.
    """
    try:
        if current_health(old).current.digest == before.digest:
            return
        ask(ServiceFolder(Path(old.folder)).control, do="reload", served=before.model_dump(), watch=False)
        end = time.monotonic() + BACK
        # Who asked may look at once: the change that is told is this one.
        while (health := current_health(old)).change is not None and health.change.result == "under way":
            if time.monotonic() > end:
                break
            time.sleep(LOOK)
    except LightloopError as error:
        say(f"{before.title} could not be put back: {error}")
        return
    back = health.current.digest == before.digest
    say(
        f"{before.title} answers again"
        if back
        else f"{before.title} could not be put back: {health.current.title} serves"
    )


def _words(mode: str, share: float) -> str:
    return f"it answers {share:.0%} of the requests" if mode == "canary" else "it answers nobody, and is compared"
