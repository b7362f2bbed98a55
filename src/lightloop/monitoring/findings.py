"""What monitoring found: the form that the rule, the alerts and the page read."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lightloop.config.monitoring import Act, Kind


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Finding(Form):
    """One thing that was looked at in one window.

    Attributes:
        kind: what was looked at.
        name: the column, metric, slice or class; empty where there is one alone.
        alarm: whether it is beyond its limit, after control of false discoveries.
        sentence: for people, with figures and units.
        value: the figure that was held against `limit`, in the unit of the kind (seconds, shares, the metric's own).
        limit: null where a test decides alone.
        p_value: of the test, adjusted for false discoveries; null where there is none.
        figures: further figures, such as {"psi": 0.31, "wasserstein": 0.2}.
    """

    kind: Kind
    name: str = ""
    alarm: bool
    sentence: str
    value: float | None = None
    limit: float | None = None
    p_value: float | None = None
    figures: dict[str, float] = Field(default_factory=dict)


class WindowFindings(Form):
    """A window and all that was looked at in it.

    Attributes:
        start: UTC, inclusive.
        end: UTC, exclusive.
        records: predictions that were logged in it.
        labelled: of them, those whose truth is known.
        version: of the release that answered most of them; null where nothing was answered.
        findings: of all kinds, alarms and none.
    """

    start: datetime
    end: datetime
    records: int
    labelled: int
    version: str | None
    findings: list[Finding]


class Burn(Form):
    """How fast an error budget is spent: 1 spends all of it in the objective's period, 10 in a tenth of it.

    Attributes:
        hours: of the window.
        rate: in these hours; null without traffic.
        short_hours: of a window at its end, which tells whether it still burns.
        short_rate: in that one.
        limit: of both rates.
        urgent: whether it can't wait until somebody works again.
        alarm: whether both rates are at the limit.
    """

    hours: float
    rate: float | None
    short_hours: float
    short_rate: float | None
    limit: float
    urgent: bool
    alarm: bool


class Objective(Form):
    """A service-level objective over its period.

    Attributes:
        name: availability, latency or quality.
        target: such as 0.995: the share that must be good.
        reached: the share that was; null without traffic.
        budget_left: share of the error budget that is left: 1 is untouched, below 0 is overspent.
        sentence: for people.
        days: of the period.
        events: that count in it.
        burns: over hours and days, the urgent ones first.
    """

    name: str
    target: float
    reached: float | None
    budget_left: float | None
    sentence: str
    days: int = 28
    events: int = 0
    burns: list[Burn] = Field(default_factory=list)


class Distribution(Form):
    """A column as it was among the training records or held-out answers, and as it is in the newest window.

    Attributes:
        name: of the column.
        of: `input` or `answer`.
        edges: of numbers: ends of the bins, one more than there are shares; the outer bins have all beyond them too.
        values: of categories: their names; all others are the last.
        then: shares of the known values, that sum to 1.
        now: the same of the window.
        n_then: known values.
        n_now: known values.
    """

    name: str
    of: Literal["input", "answer"]
    edges: list[float] = Field(default_factory=list)
    values: list[str] = Field(default_factory=list)
    then: list[float]
    now: list[float]
    n_then: int
    n_now: int


class Monitoring(Form):
    """The result of `lightloop monitor`: `reports/monitoring.json`.

    Attributes:
        model: the bundle's name.
        version: of the release in production.
        windows: oldest first; the last one is the newest.
        act: what the rule says is to be done.
        reasons: why, a sentence each.
        objectives: over the period of each.
        fingerprint: the same for the same act on the same kinds and names: alerts are sent once for each.
        distributions: of inputs and answers in the newest window, beside those of the bundle's profile.
    """

    model: str
    version: str | None
    windows: list[WindowFindings]
    act: Act
    reasons: list[str]
    objectives: list[Objective]
    fingerprint: str
    distributions: list[Distribution] = Field(default_factory=list)
