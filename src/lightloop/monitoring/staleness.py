"""How old release, training and labels are."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow.compute as pc

from lightloop.config.monitoring import MonitorConfig
from lightloop.monitoring.findings import Finding
from lightloop.monitoring.window import Window
from lightloop.project import Project
from lightloop.release.history import releases


@dataclass(frozen=True)
class Dates:
    """When things were made; None where nobody knows.

    Attributes:
        released: the release in production was registered.
        trained: the newest of all releases was registered.
    """

    released: datetime | None = None
    trained: datetime | None = None


def dates_of(project: Project, version: str | None) -> Dates:
    """The dates of a version, by the registry's tags.

    Raises:
        UsageError: not a git repository, or a clone that may lack tags.
        LightloopError: tags contradict each other.
    """
    created = {release.version: release.created for release in releases(project)}
    return Dates(created.get(version or ""), max(created.values(), default=None))


def look(window: Window, dates: Dates, config: MonitorConfig, now: datetime) -> list[Finding]:
    """Age of the release, of the newest training and of the newest label, each against its limit in days.

    Args:
        window: of the log; labels are looked for in it alone.
        dates: of the registry.
        config: limits.
        now: with a time zone.
    """
    limits = config.answers
    known = window.predictions.filter(_has_truth(window))
    label = pc.max(known.column("time")).as_py() if len(known) else None
    asked = (
        ("release", dates.released, limits.model_days, "the release in production was registered"),
        ("training", dates.trained, limits.retrain_days, "the newest release was registered"),
        (
            "labels",
            label or _none_yet(window, limits.label_days),
            limits.label_days,
            "the newest label is of an answer",
        ),
    )
    return [
        _finding(name, (now - when) / timedelta(days=1), limit, words)
        for name, when, limit, words in asked
        if when is not None and (limit is not None or name != "labels" or label is not None)
    ]


def _has_truth(window: Window) -> object:
    columns = (window.predictions.column(name) for name in ("truth", "truth_values"))
    first, second = (pc.is_valid(column) for column in columns)
    return pc.or_(first, second)


def _none_yet(window: Window, limit: float | None) -> datetime | None:
    """Of a window without a label, its beginning: what is newer has none."""
    return window.start if limit is not None and len(window.predictions) else None


def _finding(name: str, days: float, limit: float | None, words: str) -> Finding:
    allowed = "" if limit is None else f"; {limit:g} are allowed"
    return Finding(
        kind="staleness",
        name=name,
        alarm=limit is not None and days > limit,
        sentence=f"{words[0].upper()}{words[1:]} {days:.3g} days ago{allowed}.",
        value=days,
        limit=limit,
    )
