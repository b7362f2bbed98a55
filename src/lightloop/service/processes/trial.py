"""Whether a candidate is taken, tried on, or taken back: a decision from counts alone."""

from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

from lightloop.config.serve import CanaryConfig
from lightloop.service.tally import Tally

SURE = 3.0  # standard errors of Wilson's interval: looking at it again and again seldom takes back what is sound
LEAST = 30  # requests of both before their times are compared
DEATHS = 2  # of workers since a change began: one may be chance


@dataclass(frozen=True)
class Verdict:
    """What to do with a candidate, with the reason and the figures that it rests on."""

    word: Literal["on", "take", "back"]
    why: str | None = None
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """What happened since a candidate was loaded by all workers.

    Attributes:
        mode: of the candidate.
        candidate: counts of all workers.
        current: the same of the current release.
        seconds: since then.
        other: what `current` is of, in words.
    """

    mode: Literal["canary", "shadow"]
    candidate: Tally
    current: Tally
    seconds: float
    other: str = "the current release"

    @property
    def tried(self) -> int:
        """How much the candidate did."""
        return self.candidate.requests if self.mode == "canary" else self.candidate.comparisons


def judge(bounds: CanaryConfig, trial: Trial) -> Verdict:
    """Judge a trial.

    Args:
        bounds: of the config.
        trial: until now.

    Examples:
        >>> old, new = Tally(), Tally()
        >>> for _ in range(200):
        ...     old.add(failed=False, seconds=0.002)
        ...     new.add(failed=False, seconds=0.002)
        >>> judge(CanaryConfig(), Trial("canary", new, old, 9.0)).word
        'take'
        >>> for _ in range(20):
        ...     new.add(failed=True, seconds=0.002)
        >>> judge(CanaryConfig(), Trial("canary", new, old, 9.0)).why
        '20 of its 220 answers failed; at most 1% may, beyond the 0.0% of the current release'
    """
    candidate = trial.candidate
    figures = {
        "requests": candidate.requests,
        "failures": candidate.failures,
        "comparisons": candidate.comparisons,
        "differences": candidate.differences,
        "seconds": round(trial.seconds, 1),
    }
    # At the end of a trial the share itself must be within the bound; before, only what is surely beyond it counts.
    over = trial.seconds >= bounds.seconds
    ends = trial.tried >= bounds.requests or (over and bounds.few == "take")
    for why in (
        failing(bounds, trial, ends),
        _disagreeing(bounds, trial, ends),
        slow(bounds, trial, ends, figures),
    ):
        if why:
            return Verdict("back", why, figures)
    if ends:
        return Verdict("take", None, figures)
    if over:
        what = "requests" if trial.mode == "canary" else "comparisons"
        return Verdict("back", f"only {trial.tried} of {bounds.requests} {what} came in {bounds.seconds:g} s", figures)
    return Verdict("on", None, figures)


def failing(bounds: CanaryConfig, trial: Trial, ends: bool) -> str | None:
    """Why its failures are too many, or None. Before a trial ends only what is sure counts."""
    candidate, current = trial.candidate, trial.current
    usual = current.failures / current.requests if current.requests else 0.0
    if not _beyond(candidate.failures, candidate.requests, usual + bounds.max_failures, ends):
        return None
    return (
        f"{candidate.failures} of its {candidate.requests} answers failed; at most {bounds.max_failures:.0%} may, "
        f"beyond the {usual:.1%} of {trial.other}"
    )


def _disagreeing(bounds: CanaryConfig, trial: Trial, ends: bool) -> str | None:
    candidate = trial.candidate
    if not _beyond(candidate.differences, candidate.comparisons, bounds.max_disagreement, ends):
        return None
    return (
        f"{candidate.differences} of {candidate.comparisons} compared answers differ from the current release's; "
        f"at most {bounds.max_disagreement:.0%} may"
    )


def slow(bounds: CanaryConfig, trial: Trial, ends: bool, figures: dict[str, float]) -> str | None:
    """Why its answers take too long, or None; the slowdown is added to the figures."""
    requests = min(trial.candidate.requests, trial.current.requests)
    if trial.mode == "shadow" or requests < (LEAST if ends else 3 * LEAST):
        return None
    # Both have requests, so that neither quantile is 0.
    its, usual = trial.candidate.quantile(0.95), trial.current.quantile(0.95)
    figures["slowdown"] = round(its / usual, 2)
    if its <= usual * bounds.max_slowdown:
        return None
    return (
        f"its 95th percentile is {its * 1000:.1f} ms, {its / usual:.1f} times that of {trial.other}; "
        f"at most {bounds.max_slowdown:g} times is allowed"
    )


def _beyond(count: int, total: int, bound: float, ends: bool) -> bool:
    """Whether a share is surely beyond a bound, or, at the end, whether it is."""
    if not total:
        return False
    share = count / total
    if ends:
        return share > bound
    z2 = SURE * SURE / total
    centre = (share + z2 / 2) / (1 + z2)
    half = SURE / (1 + z2) * sqrt(share * (1 - share) / total + z2 / (4 * total))
    return centre - half > bound
