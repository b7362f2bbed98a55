"""What a release did, as counts that add up over processes: requests, faults, seconds, comparisons."""

import threading
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

# Upper ends in seconds, each a quarter above the last: a quantile is known to within a quarter.
EDGES: Final = tuple(0.0002 * 1.25**step for step in range(56))


@dataclass
class Tally:
    """Counts of one release. Safe for several threads.

    Attributes:
        requests: answered.
        failures: of them, by our fault.
        seconds: requests by the time that they took: one count for each of `EDGES`, the last for all that is slower.
        comparisons: records that another release answered too.
        differences: of them, where the two differ.

    Examples:
        >>> tally = Tally()
        >>> for milliseconds in (1, 1, 1, 50):
        ...     tally.add(failed=False, seconds=milliseconds / 1000)
        >>> round(tally.quantile(0.5), 4), round(tally.quantile(0.99), 2)
        (0.0012, 0.05)
    """

    requests: int = 0
    failures: int = 0
    seconds: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    comparisons: int = 0
    differences: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, *, failed: bool, seconds: float) -> None:
        """Count a request."""
        place = bisect_left(EDGES, seconds)
        with self._lock:
            self.requests += 1
            self.failures += failed
            self.seconds[place] += 1

    def compared(self, records: int, differing: int) -> None:
        """Count records that two releases answered."""
        with self._lock:
            self.comparisons += records
            self.differences += differing

    def quantile(self, share: float) -> float:
        """The seconds within which that share of the requests was answered, rounded up; 0 without requests."""
        wanted = share * self.requests
        seen = 0
        for edge, count in zip((*EDGES, inf), self.seconds, strict=True):
            seen += count
            if seen >= wanted and seen:
                return edge
        return 0.0

    def as_json(self) -> dict[str, Any]:
        """For a file; `from_json` reads it."""
        return {
            "requests": self.requests,
            "failures": self.failures,
            "seconds": list(self.seconds),
            "comparisons": self.comparisons,
            "differences": self.differences,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Tally":
        """What `as_json` gave."""
        return cls(**content)

    @classmethod
    def total(cls, tallies: Iterable["Tally"]) -> "Tally":
        """All of them together."""
        whole = cls()
        for tally in tallies:
            whole.requests += tally.requests
            whole.failures += tally.failures
            whole.comparisons += tally.comparisons
            whole.differences += tally.differences
            whole.seconds = [a + b for a, b in zip(whole.seconds, tally.seconds, strict=True)]
        return whole
