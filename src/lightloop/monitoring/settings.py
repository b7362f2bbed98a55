"""What monitoring is told: `configs/monitor/default.yaml`, over it what is typed."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import ValidationError

from lightloop.config.monitoring import MonitorConfig
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.service.settings import written

UNITS = {"d": "days", "h": "hours", "m": "minutes"}
GROUP = "monitor."


def read_settings(project: Project, overrides: Sequence[str] = ()) -> MonitorConfig:
    """The settings as they are now: no stage reads them, so that they are not those of the last run.

    Args:
        project: whose config.
        overrides: as typed: `monitor.drift=0.1`.

    Raises:
        UsageError: a name is unknown, with the nearest one, or a value does not fit.
    """
    values = written(project, "monitor")
    for typed in overrides:
        name, separator, text = typed.partition("=")
        if not separator or not name.startswith(GROUP):
            raise UsageError(f"`{typed}` is no setting of monitoring: write such as monitor.drift=0.1")
        _put(values, name.removeprefix(GROUP), text, typed)
    try:
        return MonitorConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        near = get_close_matches(place, list(MonitorConfig.model_fields), n=1)
        hint = f"; did you mean {near[0]}?" if near and first["type"] == "extra_forbidden" else ""
        raise UsageError(f"{GROUP}{place}: {first['msg'][0].lower()}{first['msg'][1:]}{hint}") from None


def inside(project: Project, folder: str) -> str:
    """A folder of the config is relative to the project; an address stays as it is."""
    return folder if "://" in folder else str(project.root / folder)


def _put(values: dict[str, Any], name: str, text: str, typed: str) -> None:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"`{typed}` has no value that can be read") from None
    *groups, last = name.split(".")
    for group in groups:
        values = values.setdefault(group, {})
        if not isinstance(values, dict):
            raise UsageError(f"`{typed}`: {group} is no group of settings")
    values[last] = value


def span(typed: str) -> timedelta:
    """A length of time.

    Raises:
        UsageError: it is none.

    Examples:
        >>> span("7d"), span("12h")
        (datetime.timedelta(days=7), datetime.timedelta(seconds=43200))
    """
    found = re.fullmatch(r"(\d{1,6})([dhm])", typed)
    if not found or not int(found[1]):
        raise UsageError(f"{typed!r} is no length of time: say such as 7d, 12h or 90m")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def moment(typed: str | None) -> datetime | None:
    """A moment, in UTC where nothing else is said, or None.

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
