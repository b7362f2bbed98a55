"""`lightloop status`: what is served here, since when, and how it is."""

from contextlib import suppress
from datetime import datetime

from rich.console import Console
from rich.table import Table

from lightloop.deploy.local import Last, health_of, last_path
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.release.history import PRODUCTION, production
from lightloop.service.processes.state import Change, Health, read


def print_status(project: Project) -> bool:
    """Print how the service is; return whether it is well.

    It is not where a release gave way to the one before by itself, as long as it stands in production all the same.
    """
    console = Console(soft_wrap=True, highlight=False)
    found = health_of(project)
    last = read(last_path(project), Last)
    if found is None:
        console.print("no service of this project runs: `lightloop deploy` starts one", markup=False)
        _print_last(console, last)
        return False
    named, health = found
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    rows = [
        ("release", f"{health.current.title} (bundle {health.current.digest[:12]})"),
        ("address", health.address),
        ("since", _local(named.since)),
        ("health", health.trouble or "ready"),
        ("process", str(named.pid)),
        *_workers(health),
        *_trial(health),
        ("log", f"{named.folder}/log"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    console.print(table, markup=False)
    _print_last(console, last)
    if _gave_way(project, health):
        console.print(
            f"what stands in {PRODUCTION} gave way to {health.current.title}: `lightloop rollback` gives the stage "
            "back, `lightloop deploy` tries it again",
            markup=False,
        )
        return False
    return health.trouble is None


def _gave_way(project: Project, health: Health) -> bool:
    """Whether another release than the one in production is served, since that one did worse."""
    if health.change is None or health.change.what != "return":
        return False
    with suppress(LightloopError):  # nobody can say what stands in production
        standing = production(project)
        return standing is not None and standing.version != health.current.version
    return True


def _workers(health: Health) -> list[tuple[str, str]]:
    return [
        (
            f"worker {worker.index}",
            f"{worker.state}, process {worker.pid}"
            + (f", restarted {worker.restarts} times" if worker.restarts else ""),
        )
        for worker in health.workers
    ]


def _trial(health: Health) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if health.candidate is not None:
        tried = health.candidate
        rows.append((tried.mode, f"{tried.title}, {tried.share:.0%} of the requests"))
    if health.watched is not None:
        rows.append(("watched", f"gives way to {health.watched} where it does worse"))
    if health.change is not None:
        rows.append(("last change", _change(health.change)))
    return rows


def _change(change: Change) -> str:
    figures = ", ".join(f"{name} {value:g}" for name, value in change.figures.items())
    said = f"{change.what} of {change.version}: {change.result}"
    return said + (f", {change.why}" if change.why else "") + (f" ({figures})" if figures else "")


def _print_last(console: Console, last: Last | None) -> None:
    if last is not None:
        why = f": {last.why}" if last.why else ""
        console.print(
            f"last deployment: {last.version} {last.result} in {last.seconds:g} s, {_local(last.at)}{why}", markup=False
        )


def _local(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
