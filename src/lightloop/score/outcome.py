"""What is said of one test."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from lightloop.score.clone import Clone

State = Literal["holds", "manual", "fails", "owed"]
# Breck et al. 2017, section 6: half a point for a test that people do and document, one for one that runs by itself.
POINTS: dict[State, float] = {"holds": 1.0, "manual": 0.5, "fails": 0.0, "owed": 0.0}


class Outcome(BaseModel):
    """What came of a test in a clone.

    Attributes:
        state: `holds`: it runs by itself, and its evidence is there; `manual`: a person did it and wrote it down;
            `fails`: its evidence is missing or says no; `owed`: it needs what only a person can say.
        why: a sentence: what was seen, or what is missing and what to do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State
    why: str


def every(seen: str, *conditions: tuple[object, str]) -> Outcome:
    """It holds where every condition does; else it fails by the first that does not.

    Args:
        seen: what is said where it holds.
        conditions: each with what is missing and what to do.

    Examples:
        >>> every("all well", (True, "a is missing"), ([], "b is missing")).why
        'b is missing'
    """
    for holds, missing in conditions:
        if not holds:
            return Outcome(state="fails", why=missing)
    return Outcome(state="holds", why=seen)


def looked(clone: Clone, seen: str, *kinds: str) -> Outcome:
    """It holds where the newest window of the monitoring looked at each kind, and none of them alarms."""
    if clone.monitoring is None:
        return Outcome(state="fails", why="nothing was monitored yet: run `lightloop monitor`")
    found = clone.looked(*kinds)
    for kind in kinds:
        if not any(one["kind"] == kind for one in found):
            return Outcome(
                state="fails",
                why=f"the newest window says nothing of {kind.replace('_', ' ')}: it needs more predictions or labels",
            )
    for one in found:
        if one["alarm"]:
            return Outcome(state="fails", why=f"the newest window alarms: {one['sentence']}")
    scheduled = "schedule" in clone.started_by("monitor") and clone.runs("monitor", "lightloop ci monitor")
    return every(seen, (scheduled, "monitor.yml does not run `lightloop ci monitor` on a schedule: restore it"))


def tested(clone: Clone) -> tuple[bool, str]:
    """The condition that continuous integration runs the tests."""
    runs = clone.runs("ci", "make test") and {"push", "pull_request"} <= clone.started_by("ci")
    return runs, "ci.yml does not run `make test` on every push and pull request: restore it"
