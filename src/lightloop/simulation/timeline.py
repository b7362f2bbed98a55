"""What happened in a simulation, for people and programs: `simulation.json`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lightloop.simulation.plan import Plan

What = Literal["release", "drift", "alarm", "collect", "train", "gate", "promote", "deploy", "recovered", "note"]


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Event(Form):
    """Something that happened.

    Attributes:
        time: of the simulation, UTC.
        seconds: real ones since the simulation began.
        what: kind of event.
        sentence: for people.
    """

    time: datetime
    seconds: float
    what: What
    sentence: str


class DaySeen(Form):
    """A day.

    Attributes:
        begins: UTC.
        drift: strength at its end, 0 to 1.
        asked: records.
        failed: requests without an answer.
        accuracy: of the answers.
        version: of the release that answered most.
        act: what the monitor said at its end.
        alarms: kinds and names of the findings that alarmed.
    """

    begins: datetime
    drift: float
    asked: int
    failed: int
    accuracy: float | None
    version: str
    act: str
    alarms: list[str]


class Timeline(Form):
    """A whole simulation.

    Attributes:
        plan: of it.
        days: in order.
        events: in order.
        before: accuracy without drift, by the first release.
        during: the worst day with drift, until the recovery.
        after: by the recovered release, with drift; null where nothing recovered.
        recovered: whether a release was served that was made of records with drift, and its accuracy on a day on which
            the drift was whole is nearer to `before` than to `during`.
        seconds_to_recovery: real seconds from the first record with drift to the first answer of that release, with
            all that was asked and trained in between; null as above.
        days_to_recovery: of the simulation.
        false_alarms: days without drift, by a release made for them, on which something was to be done.
    """

    plan: Plan
    days: list[DaySeen]
    events: list[Event]
    before: float | None
    during: float | None
    after: float | None
    recovered: bool
    seconds_to_recovery: float | None
    days_to_recovery: int | None
    false_alarms: int


def worst(days: Sequence[DaySeen]) -> float | None:
    """Accuracy on the worst day with drift, whichever release answered; None where there was none.

    Examples:
        >>> def day(drift: float, accuracy: float, version: str) -> DaySeen:
        ...     usual = dict(begins=datetime(2026, 1, 5), asked=1, failed=0, act="nothing", alarms=[])
        ...     return DaySeen(drift=drift, accuracy=accuracy, version=version, **usual)
        >>> worst([day(0, 0.5, "v0.1.0"), day(0.25, 0.8, "v0.1.0"), day(1, 0.6, "v0.2.0")])
        0.6
    """
    return min((one.accuracy for one in days if one.drift > 0 and one.accuracy is not None), default=None)


def lines_of(timeline: Timeline) -> list[str]:
    """The timeline as a text."""
    found = []
    for event in timeline.events:
        found.append(f"{event.time:%a %d %b %H:%M}  {event.seconds:6.1f} s  {event.what:9}  {event.sentence}")
    found.append("")
    found.append("day          asked  accuracy  served    drift  monitor")
    for day in timeline.days:
        accuracy = "–" if day.accuracy is None else f"{day.accuracy:.3f}"
        alarms = f": {', '.join(day.alarms[:3])}{' ...' if len(day.alarms) > 3 else ''}" if day.alarms else ""
        found.append(
            f"{day.begins:%a %d %b}  {day.asked:8}  {accuracy:>8}  {day.version:8}  {day.drift:5.0%}  {day.act}{alarms}"
        )
    return [*found, "", conclusion(timeline)]


def conclusion(timeline: Timeline) -> str:
    """What came of it, in one sentence."""
    before, during, after = (
        "–" if one is None else f"{one:.3f}" for one in (timeline.before, timeline.during, timeline.after)
    )
    if timeline.plan.kind == "none":
        days = len(timeline.days)
        return f"no drift: {timeline.false_alarms} of {days} days alarmed; accuracy {before}"
    if timeline.recovered:
        return (
            f"recovered: accuracy {before} before the drift, {during} on its worst day, {after} afterwards; "
            f"{timeline.seconds_to_recovery:.0f} seconds from the first record with drift to the first answer of the "
            f"new release"
        )
    return f"not recovered within {len(timeline.days)} days: accuracy {before} before, {during} on the worst day"
