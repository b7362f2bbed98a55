"""A release that took over: watched for a while, and held against what the release before it did."""

from dataclasses import dataclass

from lightloop.config.serve import CanaryConfig
from lightloop.service.processes.state import Served
from lightloop.service.processes.trial import DEATHS, Trial, Verdict, failing, slow
from lightloop.service.tally import Tally

SETTLED = 10.0  # seconds until a share of failures counts as it is, and not only where it is surely too large
CHANCE = 1  # failures that say nothing


@dataclass(frozen=True)
class Watched:
    """What the release is returned to, and is held against.

    Attributes:
        before: the release that answered until then.
        usual: what it did.
        begun: when the release took over, on the machine's monotonic clock.
        restarts: of workers until then.
    """

    before: Served
    usual: Tally
    begun: float
    restarts: int


def judge_watched(bounds: CanaryConfig, now: Tally, usual: Tally, *, seconds: float, deaths: int) -> Verdict:
    """Judge a release by what it did since it took over.

    Args:
        bounds: of the config; `watch` says for how long.
        now: what it did.
        usual: what the release before it did.
        seconds: since it took over.
        deaths: of workers since then.

    Returns:
        The word `back` as soon as a bound is surely passed, `take` when the time is over, else `on`.

    Examples:
        >>> usual, now = Tally(), Tally()
        >>> for _ in range(100):
        ...     usual.add(failed=False, seconds=0.002)
        >>> now.add(failed=True, seconds=0.002)
        >>> judge_watched(CanaryConfig(), now, usual, seconds=1, deaths=0).word
        'on'
        >>> now.add(failed=True, seconds=0.002)
        >>> judge_watched(CanaryConfig(), now, usual, seconds=1, deaths=0).why
        '2 of its 2 answers failed; at most 1% may, beyond the 0.0% of the release before'
        >>> judge_watched(CanaryConfig(), usual, usual, seconds=60, deaths=0).word
        'take'
    """
    trial = Trial("canary", now, usual, seconds, other="the release before")
    figures = {"requests": float(now.requests), "failures": float(now.failures), "seconds": round(seconds, 1)}
    over = seconds >= bounds.watch
    enough = seconds >= SETTLED and now.requests >= bounds.requests
    reasons = [f"{deaths} workers died since it took over" if deaths >= DEATHS else None]
    reasons += [failing(bounds, trial, enough)] if now.failures > CHANCE else []
    # Not measured side by side: a busy moment of the machine is no fault of a release.
    reasons += [slow(bounds, trial, True, figures)] if over else []
    why = next((reason for reason in reasons if reason), None)
    if why:
        return Verdict("back", why, figures)
    return Verdict("take" if over else "on", None, figures)
