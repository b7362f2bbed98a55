"""How the service did: seconds, failures, refusals, and how much was asked. From the counts of all requests.

Shapes: N rows of requests, B buckets.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from lightloop.config.monitoring import MonitorConfig
from lightloop.monitoring.findings import Finding
from lightloop.monitoring.window import Window
from lightloop.serving.log import EDGES

PERCENTILE: Final = 0.95
# Limits that no correction looks after are alarmed where they are passed this surely.
SURE: Final = 0.001
# Requests that say something is wrong with what was sent; not: who may ask, what is not there, too many at once.
UNFIT: Final = (400, 413, 415, 422)
# Windows before, of which the middle one says how much is usual.
FEWEST_WINDOWS: Final = 3
# Routes that ask for answers.
ASKING: Final = "predict|infer"


def look(window: Window, before: Sequence[Window], config: MonitorConfig, version: str | None = None) -> list[Finding]:
    """Latency, failures, refusals and volume of a window.

    Args:
        window: of the log.
        before: the windows before it, of the same length, in any order.
        config: limits.
        version: whose seconds and failures count, such as v0.2.0: those of a release that was replaced are of the past.
            None counts all.

    Returns:
        Findings of the kinds `latency`, `errors` (the one with a p-value, uncorrected), `schema` (requests that were
        refused for what they held) and `volume`.
    """
    asked = _of_version(_asking(window.requests), version)
    return [*_latency(asked, config), *_failures(asked, config), _volume(window, before, config)]


def _asking(requests: pa.Table) -> pa.Table:
    return requests.filter(pc.match_substring_regex(requests.column("route"), ASKING)) if len(requests) else requests


def _of_version(asked: pa.Table, version: str | None) -> pa.Table:
    """Of requests that failed before a release had them, nobody knows of which they are: they count."""
    if version is None or not len(asked):
        return asked
    return asked.filter(pc.fill_null(pc.equal(asked.column("version"), version), fill_value=True))


def _latency(asked: pa.Table, config: MonitorConfig) -> Iterator[Finding]:
    answered = asked.filter(pc.less(asked.column("status"), 400)) if len(asked) else asked
    counts_B = _buckets(answered)
    total, limit = int(counts_B.sum()), config.answers.seconds
    if total < config.fewest:
        return
    seconds = percentile(counts_B, PERCENTILE)
    # Whole buckets beyond the limit: those that it divides are given the benefit of the doubt.
    first = int(np.searchsorted(EDGES, limit, side="left")) + 1
    slow = int(counts_B[first:].sum())
    surely = stats.binomtest(slow, total, 1 - PERCENTILE, alternative="greater").pvalue < SURE
    yield Finding(
        kind="latency",
        name="p95",
        alarm=bool(seconds > limit and surely),
        sentence=f"95 % of {total} requests took at most {_milliseconds(seconds)}; {_milliseconds(limit)} are allowed.",
        value=seconds,
        limit=limit,
        figures={"p50": percentile(counts_B, 0.5), "p99": percentile(counts_B, 0.99)},
    )


def _buckets(asked: pa.Table) -> NDArray[np.int64]:
    """The counts (B,) of all rows together."""
    rows = [row for row in asked.column("buckets").to_pylist() if row is not None] if len(asked) else []
    counts_B = np.zeros(len(EDGES) + 1, dtype=np.int64)
    for row in rows:
        counts_B[: len(row)] += np.asarray(row, dtype=np.int64)
    return counts_B


def percentile(counts_B: NDArray[np.int64], share: float) -> float:
    """The seconds within which a share of the requests was answered, linear within a bucket.

    Examples:
        >>> counts = np.zeros(len(EDGES) + 1, dtype=np.int64)
        >>> counts[10] = 100
        >>> EDGES[9] < percentile(counts, 0.95) <= EDGES[10]
        True
    """
    upto_B = np.cumsum(counts_B)
    wanted = share * upto_B[-1]
    place = int(np.searchsorted(upto_B, wanted))
    if place >= len(EDGES):
        return float(EDGES[-1])
    low = EDGES[place - 1] if place else 0.0
    inside = (wanted - (upto_B[place] - counts_B[place])) / max(counts_B[place], 1)
    return float(low + (EDGES[place] - low) * inside)


def _failures(asked: pa.Table, config: MonitorConfig) -> Iterator[Finding]:
    counts = _by_status(asked)
    total = sum(counts.values())
    if not total:
        return
    failed = sum(count for status, count in counts.items() if status >= 500)
    share, limit = failed / total, config.answers.failed
    yield Finding(
        kind="errors",
        name="5xx",
        alarm=share > limit,
        sentence=f"{failed} of {total} requests ({share:.2%}) failed by our fault; {limit:.2%} are allowed.",
        value=share,
        limit=limit,
        p_value=float(stats.binomtest(failed, total, limit, alternative="greater").pvalue),
    )
    unfit = sum(count for status, count in counts.items() if status in UNFIT)
    share, limit = unfit / total, config.answers.refused
    surely = stats.binomtest(unfit, total, limit, alternative="greater").pvalue < SURE
    yield Finding(
        kind="schema",
        name="refused",
        alarm=bool(share > limit and surely),
        sentence=f"{unfit} of {total} requests ({share:.1%}) were refused for what they held; {limit:.0%} are allowed.",
        value=share,
        limit=limit,
    )


def _by_status(asked: pa.Table) -> dict[int, int]:
    counts: dict[int, int] = {}
    for status, count in zip(asked.column("status").to_pylist(), asked.column("count").to_pylist(), strict=True):
        counts[status] = counts.get(status, 0) + count
    return counts


def _volume(window: Window, before: Sequence[Window], config: MonitorConfig) -> Finding:
    count, earlier = volume_of(window), [one for one in map(volume_of, before) if one]
    usual = float(np.median(earlier)) if earlier else 0.0
    limit = config.answers.volume
    figures = {"requests": float(count), "usual": usual}
    if not count:
        words = (
            f"nothing was asked; in the windows before it were {usual:.0f} requests" if earlier else "nothing was asked"
        )
        return Finding(kind="volume", alarm=bool(earlier), sentence=f"{words}.", value=0.0, figures=figures)
    if len(earlier) < FEWEST_WINDOWS:
        sentence = f"{count} requests; {FEWEST_WINDOWS} windows before it would say whether that is usual."
        return Finding(kind="volume", alarm=False, sentence=sentence, value=float(count), figures=figures)
    # Of two Poisson counts with the same mean, one is binomial in their sum.
    most, least = max(count, round(usual)), min(count, round(usual))
    times = most / max(least, 1)
    surely = stats.binomtest(most, most + least, 0.5, alternative="greater").pvalue < SURE
    more = "more" if count >= usual else "fewer"
    return Finding(
        kind="volume",
        alarm=bool(times > limit and surely),
        sentence=f"{count} requests, {times:.2g} times {more} than the usual {usual:.0f}.",
        value=times,
        limit=limit,
        figures=figures,
    )


def volume_of(window: Window) -> int:
    """Requests for answers in a window; where they were not counted, logged predictions."""
    asked = _asking(window.requests)
    return int(pc.sum(asked.column("count")).as_py()) if len(asked) else len(window.predictions)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"
