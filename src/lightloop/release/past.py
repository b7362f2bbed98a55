"""What stood in which stage at a moment, from the registry's tags alone."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.release.history import assignments, registry_tags
from lightloop.release.repository import require_repository


@dataclass(frozen=True)
class Stood:
    """A version that stood in a stage.

    Attributes:
        stage: such as production.
        version: such as v0.2.0.
        since: when it was put there.
        until: when another one was, or None where it stands still.
        by: who put it there.
        message: of that tag, its first line.
    """

    stage: str
    version: str
    since: datetime
    until: datetime | None
    by: str
    message: str


def releases_at(project: Project, moment: datetime) -> list[Stood]:
    """What stood in each stage at a moment, by name of the stage.

    Args:
        project: whose registry.
        moment: with a time zone; the second that a tag carries counts as after it.

    Raises:
        UsageError: not a git repository, or a clone that may lack tags.
    """
    require_repository(project.root)
    if not registry_tags(project.root):
        return []
    stood: dict[str, Stood] = {}
    events = assignments(project.root)
    for stage in sorted({event["stage"] for event in events}):
        given = [event for event in events if event["stage"] == stage]
        before = [event for event in given if _time(event) <= moment]
        if before:
            later = given[len(before) :]
            stood[stage] = _stood(before[-1], later[0] if later else None)
    return list(stood.values())


def read_moment(text: str) -> datetime:
    """A moment as typed.

    Args:
        text: ISO 8601; without a time zone it is this machine's local time, without an hour the day's beginning.

    Raises:
        UsageError: it is no time.

    Examples:
        >>> read_moment("2026-11-01T12:00+01:00").isoformat()
        '2026-11-01T12:00:00+01:00'
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text!r} is no time: write such as 2026-11-01T12:00 or 2026-11-01T12:00+01:00") from None


def print_releases_at(project: Project, text: str) -> None:
    """Print what stood where at a moment as typed, with the time zones that it was understood in."""
    moment = read_moment(text)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"at {_words(moment)}, which is {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC:", markup=False)
    found = releases_at(project, moment)
    if not found:
        console.print("no version stood in any stage", markup=False)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("stage", "version", "since", "until", "by", "why"):
        table.add_column(title, no_wrap=True)
    for one in found:
        until = _words(one.until.astimezone(moment.tzinfo)) if one.until else "now"
        table.add_row(one.stage, one.version, _words(one.since.astimezone(moment.tzinfo)), until, one.by, one.message)
    console.print(table, markup=False)


def _words(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S %z")


def _stood(event: dict[str, Any], later: dict[str, Any] | None) -> Stood:
    return Stood(
        stage=event["stage"],
        version=event["version"],
        since=_time(event),
        until=_time(later) if later else None,
        by=event["author"],
        message=(event["message"] or "").partition("\n")[0],
    )


def _time(event: dict[str, Any]) -> datetime:
    moment: datetime = event["timestamp"]
    return moment if moment.tzinfo else moment.astimezone()
