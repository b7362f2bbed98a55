"""What monitoring found: the form that the rule, the alerts and the page read."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "schema",
    "suite",
    "feature_drift",
    "multivariate_drift",
    "prediction_drift",
    "label_drift",
    "explanation_drift",
    "performance",
    "estimated_performance",
    "calibration",
    "missing",
    "unseen",
    "latency",
    "errors",
    "volume",
    "staleness",
]
Act = Literal["nothing", "issue", "retrain", "rollback"]


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


class Objective(Form):
    """A service-level objective over its period.

    Attributes:
        name: availability, latency or quality.
        target: such as 0.995: the share that must be good.
        reached: the share that was; null without traffic.
        budget_left: share of the error budget that is left: 1 is untouched, below 0 is overspent.
        sentence: for people.
    """

    name: str
    target: float
    reached: float | None
    budget_left: float | None
    sentence: str


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
    """

    model: str
    version: str | None
    windows: list[WindowFindings]
    act: Act
    reasons: list[str]
    objectives: list[Objective]
    fingerprint: str
