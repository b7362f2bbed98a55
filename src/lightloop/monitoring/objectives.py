"""Service-level objectives: what was reached, what is left of the error budgets, and how fast they are spent.

Burn rates over a long and a short window each, as in the SRE workbook (Beyer et al. 2018, chapter 5): an alarm when 2 %
of the budget went in one hour, 5 % in six hours or 10 % in three days, and it still goes.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lightloop.config.alerts import LatencyObjective, ObjectivesConfig, QualityObjective, ShareObjective
from lightloop.monitoring.findings import Burn, Monitoring, Objective
from lightloop.monitoring.operations import ASKING
from lightloop.monitoring.window import read_requests, read_window
from lightloop.serving.log import EDGES


class Step(NamedTuple):
    """Hours of the long and the short window, share of the budget spent in the long one, whether it is urgent."""

    hours: float
    short: float
    spent: float
    urgent: bool


BURNS: Final = (Step(1.0, 1 / 12, 0.02, True), Step(6.0, 0.5, 0.05, True), Step(72.0, 6.0, 0.10, False))
# Fewer bad ones in the long window are no alarm: with little traffic each of them is a large share.
FEWEST: Final = 5


@dataclass(frozen=True)
class Events:
    """What counts for an objective, in the order of time.

    Attributes:
        times: seconds since 1970, (N,).
        good: how many were good, (N,).
        bad: how many were not, (N,).
    """

    times: NDArray[np.float64]
    good: NDArray[np.int64]
    bad: NDArray[np.int64]

    def between(self, start: datetime, end: datetime) -> tuple[int, int]:
        """Good and bad ones."""
        inside = (self.times >= start.timestamp()) & (self.times < end.timestamp())
        return int(self.good[inside].sum()), int(self.bad[inside].sum())


def objectives(config: ObjectivesConfig, folder: str, feedback: str | None, now: datetime) -> list[Objective]:
    """All objectives that have a target.

    Args:
        config: targets and periods.
        folder: of the log.
        feedback: folder of what turned out to be true; None where there is none.
        now: end of the periods.

    Raises:
        LightloopError: the log can't be read.
    """
    found = []
    served = max((one.days for one in (config.availability, config.latency) if one.target), default=0)
    requests = _asking(read_requests(folder, now - timedelta(days=served), now)) if served else None
    if config.availability.target is not None and requests is not None:
        found.append(
            _objective("availability", config.availability, available(requests), now, "requests were answered")
        )
    if config.latency.target is not None and requests is not None:
        words = f"answers came within {1000 * config.latency.seconds:.0f} ms"
        found.append(_objective("latency", config.latency, in_time(requests, config.latency), now, words))
    if config.quality.target is not None:
        window = read_window(folder, feedback, now - timedelta(days=config.quality.days), now)
        events = right(window.predictions, config.quality)
        found.append(_objective("quality", config.quality, events, now, "answers turned out to be right"))
    return found


def with_objectives(monitoring: Monitoring, found: Sequence[Objective]) -> Monitoring:
    """The result with its objectives; a budget that burns is a reason to look where nothing else is."""
    burning = [one for one in found if any(burn.alarm for burn in one.burns)]
    result = monitoring.model_copy(update={"objectives": list(found)})
    if not burning:
        return result
    mark = "+".join([monitoring.fingerprint, *(one.name for one in burning)])
    reasons = [f"The error budget of {one.name} burns: {_burning(one)}" for one in burning]
    update = {
        "act": "issue" if monitoring.act == "nothing" else monitoring.act,
        "reasons": [*monitoring.reasons, *reasons],
        "fingerprint": hashlib.sha256(mark.encode()).hexdigest()[:16],
    }
    return result.model_copy(update=update)


def available(requests: pa.Table) -> Events:
    """Requests that were not answered by a fault of ours; what clients did wrong (4xx) does not count.

    A client that is sent away because there is too much (429) was not served: it counts as a fault.
    """

    def counted(status: int, count: int, _: Sequence[int] | None) -> tuple[int, int]:
        if status >= 500 or status == 429:
            return 0, count
        return (count, 0) if status < 400 else (0, 0)

    return _events(requests, counted)


def in_time(requests: pa.Table, config: LatencyObjective) -> Events:
    """Answers that took at most so long, by the last step of the log's counts that is not beyond it."""
    steps = int(np.searchsorted(EDGES, config.seconds, side="right"))

    def counted(status: int, count: int, buckets: Sequence[int] | None) -> tuple[int, int]:
        if status >= 400 or buckets is None:
            return 0, 0
        quick = sum(buckets[:steps])
        return quick, count - quick

    return _events(requests, counted)


def right(predictions: pa.Table, config: QualityObjective) -> Events:
    """Answers whose truth is known, by whether they were right.

    Args:
        predictions: of `monitoring.window`.
        config: read is `within`, for numbers; all numbers of an answer must be that near to what is known of them.
    """
    times, good = [], []
    names = ("time", "label", "truth", "values", "truth_values")
    for time, label, truth, values, told in zip(*(predictions.column(name).to_pylist() for name in names), strict=True):
        if truth is not None:
            verdict = label == truth
        elif told is not None and values is not None and config.within is not None:
            known = [(a, b) for a, b in zip(values, told, strict=False) if b is not None]
            verdict = all(abs(a - b) <= config.within for a, b in known)
        else:
            continue
        times.append(time.timestamp())
        good.append(verdict)
    good_N = np.array(good, dtype=np.int64)
    return Events(np.array(times, dtype=np.float64), good_N, 1 - good_N)


def _asking(requests: pa.Table) -> pa.Table:
    return requests.filter(pc.match_substring_regex(requests.column("route"), ASKING)) if len(requests) else requests


def _events(requests: pa.Table, counted: Callable[[int, int, Sequence[int] | None], tuple[int, int]]) -> Events:
    columns = [requests.column(name).to_pylist() for name in ("status", "count", "buckets")]
    pairs = np.array([counted(*row) for row in zip(*columns, strict=True)], dtype=np.int64).reshape(-1, 2)
    times = [time.timestamp() for time in requests.column("time").to_pylist()]
    return Events(np.array(times, dtype=np.float64), pairs[:, 0], pairs[:, 1])


def _objective(name: str, config: ShareObjective, events: Events, now: datetime, words: str) -> Objective:
    assert config.target is not None
    good, bad = events.between(now - timedelta(days=config.days), now)
    total, budget = good + bad, 1 - config.target
    if not total:
        sentence = f"{name}: nothing to count in {config.days} days"
        return Objective(
            name=name, target=config.target, reached=None, budget_left=None, sentence=sentence, days=config.days
        )
    reached = good / total
    left = 1 - (bad / total) / budget
    spent = f"{left:.0%} of the error budget is left" if left >= 0 else f"the error budget is overspent by {-left:.0%}"
    return Objective(
        name=name,
        target=config.target,
        reached=reached,
        budget_left=left,
        sentence=f"{name}: {reached:.3%} of {total:,} {words} in {config.days} days, {config.target:.2%} promised; "
        f"{spent}",
        days=config.days,
        events=total,
        burns=[_burn(events, now, step, budget=budget, days=config.days) for step in BURNS],
    )


def _burn(events: Events, now: datetime, step: Step, *, budget: float, days: int) -> Burn:
    limit = step.spent * days * 24 / step.hours
    rates: list[float | None] = []
    for span in (step.hours, step.short):
        good, bad = events.between(now - timedelta(hours=span), now)
        rates.append(bad / (good + bad) / budget if good + bad else None)
    _, bad = events.between(now - timedelta(hours=step.hours), now)
    return Burn(
        hours=step.hours,
        rate=rates[0],
        short_hours=step.short,
        short_rate=rates[1],
        limit=limit,
        urgent=step.urgent,
        alarm=bad >= FEWEST and all(rate is not None and rate >= limit for rate in rates),
    )


def _burning(objective: Objective) -> str:
    burn = next(one for one in objective.burns if one.alarm)
    return (
        f"in the last {burn.hours:g} hours {burn.rate:.1f} times as fast as would last for {objective.days} days "
        f"(limit {burn.limit:.1f})"
    )
