"""Scoring a clone as the paper does: the least of the four sections' sums."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.score.clone import Clone
from lightloop.score.outcome import POINTS, Outcome, State
from lightloop.score.rubric import RUBRIC, SECTIONS

# What people did by hand and wrote down: {data-2: "2026-11-20, Ada: ..."}; it counts half where the check fails.
BY_HAND = "ml-test-score.yaml"
# Table VI of the paper: up to which score what is said.
MEANINGS = (
    (0.0, "more of a research project than a productionized system"),
    (1.0, "not totally untested, but it is worth considering the possibility of serious holes in reliability"),
    (2.0, "a first pass at basic productionization, but additional investment may be needed"),
    (3.0, "reasonably tested, but it is possible that more of those tests and procedures may be automated"),
    (5.0, "strong levels of automated testing and monitoring, appropriate for mission-critical systems"),
    (7.0, "exceptional levels of automated testing and monitoring"),
)


class Scored(BaseModel):
    """What came of one test.

    Attributes:
        id: section and number, such as data-1.
        section: its name.
        title: the paper's.
        state: see `Outcome`.
        points: 1, 0.5 or 0.
        why: a sentence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    section: str
    title: str
    state: State
    points: float
    why: str


class Score(BaseModel):
    """The ML Test Score of a clone: `lightloop score --json`.

    Attributes:
        score: the least of the sections' points.
        meaning: what the paper says of it.
        sections: points of each, 0 to 7.
        held: tests that hold by themselves, of 28.
        tests: all of them, in the paper's order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: float
    meaning: str
    sections: dict[str, float]
    held: int
    tests: list[Scored]


def score(project: Project) -> Score:
    """Look at a clone.

    Args:
        project: with `params.yaml`; every other evidence may be missing, and is then said to be.

    Raises:
        UsageError: there is no params.yaml, or `ml-test-score.yaml` is not as it should be.
    """
    clone = Clone(project)
    by_hand = _by_hand(clone)
    clone.config  # noqa: B018 - without it there is nothing to look at, which is said once
    return summed([_scored(one.id, one.title, one.section, one.look(clone), by_hand) for one in RUBRIC])


def summed(tests: list[Scored]) -> Score:
    """The score of some outcomes."""
    sections = {name: sum(one.points for one in tests if one.section == name) for name in SECTIONS}
    least = min(sections.values())
    return Score(
        score=least,
        meaning=meaning(least),
        sections=sections,
        held=sum(one.state == "holds" for one in tests),
        tests=tests,
    )


def meaning(points: float) -> str:
    """What the paper says of a score.

    Examples:
        >>> meaning(0.5)[:20], meaning(7.0)[:18]
        ('not totally untested', 'exceptional levels')
    """
    return next(said for most, said in MEANINGS if points <= most)


def _scored(name: str, title: str, section: str, outcome: Outcome, by_hand: Mapping[str, str]) -> Scored:
    if outcome.state in ("fails", "owed") and name in by_hand:
        outcome = Outcome(state="manual", why=f"done by hand: {by_hand[name]} (by itself: {outcome.why})")
    points = POINTS[outcome.state]
    return Scored(id=name, section=section, title=title, state=outcome.state, points=points, why=outcome.why)


def _by_hand(clone: Clone) -> dict[str, str]:
    path = clone.project.root / BY_HAND
    if not path.exists():
        return {}
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{BY_HAND} is not valid YAML ({str(error).splitlines()[0]})") from None
    known = {one.id for one in RUBRIC}
    if not isinstance(found, dict) or not all(isinstance(said, str) and said.strip() for said in found.values()):
        raise UsageError(
            f"{BY_HAND} must give a test's id what was done, when and by whom, such as model-7: a sentence"
        )
    odd = sorted(str(name) for name in found if name not in known)
    if odd:
        raise UsageError(f"{BY_HAND} names {odd[0]!r}: expected data-1 to data-7, model-1 and so on")
    return {str(name): said.strip() for name, said in found.items()}
