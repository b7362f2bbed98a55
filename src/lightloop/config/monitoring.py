"""Monitoring: `configs/monitor/`. Read by `lightloop monitor`, by no stage."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from lightloop.config.alerts import AlertsConfig, ObjectivesConfig
from lightloop.config.base import Count, Frozen
from lightloop.config.collect import CollectConfig

Share = Annotated[float, Field(ge=0, le=1)]
# In the order of the report. Those of them that are tests share the false alarms.
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
TESTED: tuple[Kind, ...] = (
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
    "errors",
)


class Rule(Frozen):
    """What follows from alarms.

    Attributes:
        kinds: of findings that count; each by itself.
        windows: in how many windows one of the kinds has to be alarmed,
        of: of the last so many.
        act: what is to be done then.
    """

    kinds: tuple[Kind, ...]
    windows: Count = 1
    of: Count = 1
    act: Act = "issue"

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.windows > self.of:
            raise ValueError(f"a rule wants {self.windows} windows of {self.of}: expected at most as many")
        return self


class AnswerLimits(Frozen):
    """From where on what is found about answers, truth and service is an alarm; where there is a test, it must agree.

    Attributes:
        drift: least drift of answers and of labels, in the measure of a feature's.
        abstain: how much larger the share of answers that the model would rather not give has become.
        loss: how much worse than on the held-out records a metric is, at least: of shares and probabilities as it is,
            of errors in units of their own (MAE, log loss) as a share of the held-out value. The gate's margin counts
            where it is larger.
        slice: how much larger the mean error of a slice is than it was there; measured likewise.
        calibration: calibration error beyond what chance gives and what the held-out records had.
        coverage: how much less often than promised the truth is in a set or interval.
        explanation: share of what answers rest on that has moved from some parts of a record to others.
        seconds: 95th percentile of the seconds of a request.
        failed: share of requests that fail by our fault (5xx).
        refused: share of requests that are refused (4xx).
        volume: how many times more or fewer requests than in the middle one of the windows before.
        model_days, label_days, retrain_days: age of the release, of the newest label, of the newest training; null
            looks at none.
    """

    drift: Share = 0.05
    abstain: Share = 0.05
    loss: Share = 0.03
    slice: Share = 0.1
    calibration: Share = 0.05
    coverage: Share = 0.05
    explanation: Share = 0.1
    seconds: Annotated[float, Field(gt=0)] = 1.0
    failed: Share = 0.01
    refused: Share = 0.1
    volume: Annotated[float, Field(gt=1)] = 5.0
    model_days: Annotated[float, Field(gt=0)] | None = 180.0
    label_days: Annotated[float, Field(gt=0)] | None = None
    retrain_days: Annotated[float, Field(gt=0)] | None = 90.0


class MonitorConfig(Frozen):
    """What is looked at in the log of the service, and what follows.

    A difference is an alarm where it is both sure (its p-value, after control of false discoveries within its kind, is
    at most `level`) and large enough to matter (its limit): of a million records every difference is sure.

    Attributes:
        window: length, such as 7d, 12h.
        false_alarms: share of the windows without any change that may be alarmed, over all kinds together.
        fewest: records that a window needs for its tests; fewer are only counted.
        sample: records of a window that the costly looks (suite, multivariate drift) draw.
        drift: least drift of a feature: share of the records that would have to be moved to undo it (the largest
            difference of the cumulative shares of a number, half the sum of the differences of a category's shares).
        missing: by how much the share of missing values of a feature has grown, at least.
        unseen: share of the records with a category that no training record has, at least.
        auc: least area under the curve by which a classifier tells the window's records from the training records.
        answers: limits of what is found about answers, truth and service.
        rules: the strongest act of those that hold is done.
        alerts: who is told.
        objectives: what the service promises.
        collect: how labelled answers become new data (`lightloop collect`).
    """

    name: Literal["default"] = "default"
    window: str = "7d"
    false_alarms: Annotated[float, Field(gt=0, lt=1)] = 0.05
    fewest: Annotated[int, Field(ge=5)] = 30
    sample: Annotated[int, Field(ge=100)] = 20_000
    drift: Share = 0.05
    missing: Share = 0.02
    unseen: Share = 0.005
    auc: Annotated[float, Field(ge=0.5, le=1)] = 0.55
    answers: AnswerLimits = AnswerLimits()
    rules: tuple[Rule, ...] = (
        Rule(kinds=("errors",), act="rollback"),
        Rule(kinds=("performance",), act="retrain"),
        Rule(
            kinds=(
                "feature_drift",
                "multivariate_drift",
                "prediction_drift",
                "label_drift",
                "estimated_performance",
                "calibration",
                "staleness",
            ),
            windows=2,
            of=3,
            act="retrain",
        ),
        Rule(kinds=get_args(Kind)),
    )
    alerts: AlertsConfig = AlertsConfig()
    objectives: ObjectivesConfig = ObjectivesConfig()
    collect: CollectConfig = CollectConfig()

    @property
    def level(self) -> float:
        """The largest p-value of an alarm: each tested kind has the same part of the false alarms."""
        return self.false_alarms / len(TESTED)
