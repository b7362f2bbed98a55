"""Alerts and service-level objectives of monitoring: `configs/monitor/`, under `alerts` and `objectives`."""

from typing import Annotated, Literal

from pydantic import Field

from lightloop.config.base import Count, Frozen, Positive

Channel = Literal["github", "webhook", "email", "wandb"]
CHANNELS: tuple[Channel, ...] = ("github", "webhook", "email", "wandb")
Target = Annotated[float, Field(gt=0, lt=1)]


class AlertsConfig(Frozen):
    """Who is told what monitoring found. Addresses and secrets are variables of the environment alone.

    A channel whose variables are not set is off: configs/monitor/default.yaml names them.

    Attributes:
        channels: that may be used.
        page: address of the monitoring page, as readers reach it; null stands for the run on GitHub, or the file.
        label: of the issue on GitHub.
        close: whether the issue is closed when all is well again; else it gets a comment.
        seconds: that a channel may take.
    """

    channels: tuple[Channel, ...] = CHANNELS
    page: str | None = None
    label: Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[^,]+$")] = "monitoring"
    close: bool = True
    seconds: Positive = 10.0


class ShareObjective(Frozen):
    """A share of what was asked that must be good.

    Attributes:
        target: the share; null leaves it out.
        days: over which it is counted.
    """

    target: Target | None
    days: Count = 28


class LatencyObjective(ShareObjective):
    """Answers that came in time.

    Attributes:
        seconds: that an answer may take. The log counts in fixed steps: the next smaller one is taken.
    """

    seconds: Positive = 0.25


class QualityObjective(ShareObjective):
    """Answers that turned out to be right, of those whose truth is known.

    Attributes:
        within: of numbers, how far from the truth is still right, in the unit of the target; null leaves them out.
    """

    within: Positive | None = None


class ObjectivesConfig(Frozen):
    """What the service promises. The rest to 1 is the error budget, which may be spent within the period.

    Attributes:
        availability: requests that were not answered by a fault of ours (5xx).
        latency: answers that came in time.
        quality: answers that turned out to be right.
    """

    availability: ShareObjective = ShareObjective(target=0.995)
    latency: LatencyObjective = LatencyObjective(target=0.99)
    quality: QualityObjective = QualityObjective(target=None)
