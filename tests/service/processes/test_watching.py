"""A release that took over without a trial: when it is left, when it gives way to the one before."""

import pytest

from lightloop.config.serve import CanaryConfig
from lightloop.service.processes.watching import SETTLED, judge_watched
from lightloop.service.tally import Tally

BOUNDS = CanaryConfig(requests=100, watch=60)


def did(requests: int, failures: int = 0, seconds: float = 0.002) -> Tally:
    tally = Tally()
    for number in range(requests):
        tally.add(failed=number < failures, seconds=seconds)
    return tally


@pytest.mark.parametrize(
    ("now", "seconds", "word"),
    [
        (did(0), 1, "on"),
        (did(0), 60, "take"),  # nobody asked: nothing speaks against it
        (did(1, 1), 1, "on"),  # one failure may be chance
        (did(3, 2), 1, "back"),
        (did(1000, 12), 1, "on"),  # beyond 1 %, but not surely
        (did(1000, 12), SETTLED, "back"),  # seen long enough: the share itself counts
        (did(1000, 9), SETTLED, "on"),
        (did(1000, 9), 60, "take"),
        (did(1000, 12), 60, "back"),
        (did(300, seconds=0.02), 59, "on"),  # times are judged once, of the whole watch
        (did(300, seconds=0.02), 60, "back"),
        (did(20, seconds=0.02), 60, "take"),  # too few for a percentile
    ],
)
def test_what_speaks_against_a_release(now: Tally, seconds: float, word: str) -> None:
    assert judge_watched(BOUNDS, now, did(500), seconds=seconds, deaths=0).word == word


def test_what_failed_before_too_is_not_held_against_it() -> None:
    assert judge_watched(BOUNDS, did(1000, 50), did(1000, 50), seconds=SETTLED, deaths=0).word == "on"
    assert judge_watched(BOUNDS, did(1000, 70), did(1000, 50), seconds=SETTLED, deaths=0).word == "back"


def test_reasons_say_what_was_seen_and_what_was_allowed() -> None:
    slow = judge_watched(BOUNDS, did(300, seconds=0.02), did(300), seconds=60, deaths=0)
    assert slow.why is not None
    assert "times that of the release before; at most 3 times is allowed" in slow.why
    assert slow.figures["slowdown"] > 3
    dying = judge_watched(BOUNDS, did(0), did(0), seconds=3, deaths=2)
    assert dying.why == "2 workers died since it took over"
