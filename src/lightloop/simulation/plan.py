"""What is simulated."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Count, Frozen

Kind = Literal["none", "covariate", "label", "concept"]
Form = Literal["sudden", "gradual", "seasonal"]
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
WINDOW = timedelta(days=1)
# How large a drift is where nothing else is said: large enough that a day shows it.
SIZES: dict[Kind, float] = {"none": 0.0, "covariate": 2.0, "label": 0.4, "concept": 1.0}
RAMP = 4  # days that a gradual drift takes, and a quarter of the year of a seasonal one
# That are simulated where nothing else is said: of a seasonal drift the whole wave, and two days before and after it.
DAYS: dict[Form, int] = {"sudden": 8, "gradual": 10, "seasonal": 20}
WHOLE = 0.9  # strength from which on a drift is taken for whole


class Plan(Frozen):
    """A simulation.

    Attributes:
        kind: what drifts. `covariate`: columns that say what applicants can afford move by `size` of their standard
            deviations. `label`: the rarer class is `size` more of all records than it was. `concept`: in a region of
            the records the share `size` of the labels is turned round.
        form: `sudden` is whole from its first day on, `gradual` grows over RAMP days, `seasonal` comes and goes as a
            wave of 4 x RAMP days.
        size: see `kind`.
        days: that are simulated at most.
        drift_day: the first day with drift, from 0 on.
        records: a day.
        labels: share of the predictions whose truth comes.
        seed: of the records that are drawn.
        experiment: of the loop; a table of two classes.
        after: days with the recovered model before it ends.
    """

    kind: Kind = "concept"
    form: Form = "sudden"
    size: Annotated[float, Field(ge=0)] | None = None
    days: Count = DAYS["sudden"]
    drift_day: Annotated[int, Field(ge=1)] = 2
    records: Annotated[int, Field(ge=50)] = 800
    labels: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 42
    experiment: str = "loans-fast"
    after: Count = 2

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind in ("label", "concept") and self.amount > 1:
            raise ValueError(f"size is {self.amount}: expected a share of the records, at most 1")
        if self.kind != "none" and self.drift_day >= self.days:
            raise ValueError(f"drift begins on day {self.drift_day}, but only {self.days} days are simulated")
        return self

    @property
    def amount(self) -> float:
        """`size`, or that of the kind."""
        return SIZES[self.kind] if self.size is None else self.size

    def begins(self, day: int) -> datetime:
        """When a day begins, UTC."""
        return START + day * WINDOW


def strength(plan: Plan, day: float) -> float:
    """How much of the drift there is, 0 to 1.

    Args:
        plan: with its form.
        day: with a part of a day behind the point.

    Examples:
        >>> [strength(Plan(form="gradual"), day) for day in (1.9, 3, 4, 9)]
        [0.0, 0.25, 0.5, 1.0]
        >>> [round(strength(Plan(form="seasonal", days=30), day), 2) for day in (1, 2, 6, 10, 14, 18)]
        [0.0, 0.0, 0.5, 1.0, 0.5, 0.0]
    """
    from math import cos, pi

    since = day - plan.drift_day
    if plan.kind == "none" or since < 0:
        return 0.0
    match plan.form:
        case "sudden":
            return 1.0
        case "gradual":
            return min(1.0, since / RAMP)
        case "seasonal":
            return (1 - cos(2 * pi * since / (4 * RAMP))) / 2
