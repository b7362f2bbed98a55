"""What a person types of times, and what is answered."""

import re
from datetime import UTC, datetime, timedelta

from lightloop.collection.collect import Collection
from lightloop.errors import UsageError

UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def span(typed: str) -> timedelta:
    """A length of time.

    Raises:
        UsageError: it is none.

    Examples:
        >>> span("30d"), span("12h")
        (datetime.timedelta(days=30), datetime.timedelta(seconds=43200))
    """
    found = re.fullmatch(r"(\d{1,6})([dhm])", typed)
    if not found or not int(found[1]):
        raise UsageError(f"{typed!r} is no length of time: say such as 30d, 12h or 90m")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def moment(typed: str | None) -> datetime | None:
    """A moment in UTC where nothing else is said, or None.

    Raises:
        UsageError: it is none.

    Examples:
        >>> moment("2026-11-01T12:00").isoformat()
        '2026-11-01T12:00:00+00:00'
    """
    if typed is None:
        return None
    try:
        found = datetime.fromisoformat(typed)
    except ValueError:
        raise UsageError(f"{typed!r} is no moment: say such as 2026-11-01T12:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def said(found: Collection) -> str:
    """The lines for a person."""
    days = f"{found.start:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"{days}: {found.predictions} predictions in the log, {found.labelled} of them with a label "
        f"({found.collected_before} collected before, {found.known} known already)"
    ]
    lines += [f"set aside: {count} ({reason})" for reason, count in found.set_aside.items()]
    total = sum(found.added.values())
    if not total:
        return "\n".join([*lines, "nothing new: the data are as they were"])
    lines.append(f"{'would add' if found.dry_run else 'added'} {total} records: {_counts(found.added)}")
    if found.labels:
        lines.append(f"labels: {_counts(found.labels)}")
    if not found.dry_run:
        lines.append("data.dvc has changed: `dvc push` and `git commit data.dvc` publish it, `lightloop run` learns it")
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
