"""What time it is for the service, its log and what reads it: the machine's clock, or that of a simulation.

`lightloop simulate` lets weeks pass in minutes: LIGHTLOOP_CLOCK names a file that holds a time, and nothing else moves
it. For simulations alone: a service that answers people runs without it.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lightloop.errors import UsageError

VARIABLE = "LIGHTLOOP_CLOCK"


def seconds() -> float:
    """Seconds since 1970, as `time.time()`; of the simulation, where there is one.

    Raises:
        UsageError: LIGHTLOOP_CLOCK names no file that holds a time.

    Examples:
        >>> abs(seconds() - time.time()) < 1
        True
    """
    named = os.environ.get(VARIABLE)
    if named is None:
        return time.time()
    try:
        return float(Path(named).read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise UsageError(f"{VARIABLE} names {named}, which holds no seconds since 1970: unset it") from None


def simulated() -> bool:
    """Whether there is a simulation."""
    return VARIABLE in os.environ


def now_of() -> Callable[[], float]:
    """What tells `seconds` in this process from now on; without a simulation it looks for none again."""
    return seconds if simulated() else time.time


def now() -> datetime:
    """The same as a date in UTC."""
    return datetime.fromtimestamp(seconds(), UTC)


def turn(clock: Path, to: datetime) -> None:
    """Set the clock of a simulation. Who reads it meanwhile gets the old time or the new one."""
    beside = clock.with_name(f".{clock.name}.new")
    beside.write_text(repr(to.timestamp()), encoding="ascii")
    beside.replace(clock)
