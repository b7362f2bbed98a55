"""All checks, one after the other; those of DVC's command line go on meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from lightloop.doctor.accounts import look_at_tracking
from lightloop.doctor.data import (
    CLOUD,
    STATUS,
    Asked,
    is_local,
    look_at_data,
    look_at_objects,
    look_at_remote,
    url_of_remote,
)
from lightloop.doctor.environment import look_at_environment
from lightloop.doctor.finding import Area, Finding
from lightloop.doctor.loop import composed, look_at_loop
from lightloop.doctor.machine import look_at_machine
from lightloop.doctor.packages import look_at_packages
from lightloop.doctor.registry import look_at_registry
from lightloop.doctor.repository import look_at_git
from lightloop.doctor.tools import look_at_port, look_at_tools
from lightloop.errors import UsageError
from lightloop.project import Project

NOT_ASKED = "the DVC remote is not on this machine, and was not asked"


def examine(*, online: bool = False) -> list[Finding]:
    """Look at everything that the loop rests on; nothing is changed.

    Args:
        online: also ask servers: git's remote, DVC's remote, W&B.

    Returns:
        The findings, in a fixed order of areas.
    """
    try:
        project = Project.find()
    except UsageError as error:
        place = Area("project").broken("folder", str(error), "cd into a project, or clone one")
        return [place, *_safely("machine", lambda: look_at_machine(None)), *_safely("environment", look_at_environment)]
    return list(_all(project, online))


def _all(project: Project, online: bool) -> Iterator[Finding]:
    with ExitStack() as stack:
        asked = _ask(project, online)
        if asked:
            stack.callback(asked.end)
        yield from _safely("machine", lambda: look_at_machine(project))
        yield from _safely("packages", lambda: look_at_packages(project))
        yield from _safely("git", lambda: look_at_git(project, online=online))
        config, finding = composed(project)
        yield from _safely("registry", lambda: look_at_registry(project))
        yield finding
        yield from _safely("loop", lambda: look_at_loop(project))
        if config:
            yield from _safely("tracking", lambda: look_at_tracking(project, config, online=online))
            yield from _safely("service", lambda: look_at_port(project, config))
        yield from _safely("tools", lambda: look_at_tools(project))
        yield from _safely("environment", look_at_environment)
        yield from _safely("data", lambda: look_at_remote(project))
        if asked is None:
            return
        yield from _safely("data", lambda: look_at_data(asked.answers[STATUS]))
        if CLOUD in asked.commands:
            yield from _safely("data", lambda: look_at_objects(asked.answers[CLOUD]))
        else:
            yield Area("data").ok("objects", f"{NOT_ASKED}: `lightloop doctor --online` does")


def _ask(project: Project, online: bool) -> Asked | None:
    """What DVC is asked: of a remote that is reached by a network only where that is wanted."""
    if not (project.root / ".dvc").is_dir() or not project.in_git():
        return None
    try:
        url = url_of_remote(project)
    except UsageError:  # which the check of the remote will say
        return None
    return Asked(project, STATUS, *([CLOUD] if url and (online or is_local(url)) else []))


def _safely(area: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings of a check; one that fails itself is a finding, and the others go on."""
    found: list[Finding] = []
    try:
        for finding in check():
            found.append(finding)
    except Exception as error:  # noqa: BLE001 - the doctor must not fall ill itself
        reason = " ".join(str(error).split()) or type(error).__name__
        found.append(Area(area).broken("check", f"could not be looked at ({reason})", "mend that first"))
    return found
