"""Whether two samples differ, and by how much: the tests that the looks at answers share. NumPy and SciPy.

Every test returns the size of the difference beside its p-value: of many records every difference is sure, so that an
alarm needs both.

Shapes: N records of the window, M records of the reference, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from lightloop.config.metrics import signed
from lightloop.evaluation.bootstrap import Scorer

Floats = NDArray[np.floating[Any]]
# Below it a chi-square approximation is no longer trusted (Cochran 1954), and tables are drawn.
EXPECTED = 5.0
DRAWS = 9999
# Tables that are drawn need time for each record; beyond, expected counts that small are of no weight.
MOST_DRAWN = 20_000
# Pairs of records up to which the two-sample distribution is worked out exactly.
EXACT = 250_000
# Permutations: so many at most, and enough once so many were as extreme (Besag & Clifford 1991).
PERMUTATIONS, ENOUGH = 9999, 20
# With as many records on each side, the permutations of a mean are normal far enough into the tail.
NORMAL, NORMAL_PERMUTATIONS = 200, 999
CHUNK = 500_000  # weights held at once


@dataclass(frozen=True)
class Compared:
    """What a comparison found.

    Attributes:
        size: of the difference, in the unit that the test says.
        p: of "there is none", at most 1.
        figures: further ones.
    """

    size: float
    p: float
    figures: dict[str, float]


def numbers_differ(
    now_N: Floats, then_M: Floats, alternative: Literal["two-sided", "less", "greater"] = "two-sided"
) -> Compared:
    """Kolmogorov and Smirnov's test of two samples of numbers; the size is the largest difference of the shares below.

    Args:
        now_N: of the window.
        then_M: of the reference.
        alternative: `greater` asks whether the window's numbers are smaller (their cumulative share is greater).

    Returns:
        `figures` has `wasserstein`: how far a record has to be moved on average, in the unit of the numbers.

    Examples:
        >>> test = numbers_differ(np.arange(50.0), np.arange(50.0) + 25)
        >>> test.size, round(test.figures["wasserstein"], 1)
        (0.5, 25.0)
    """
    method = "exact" if len(now_N) * len(then_M) <= EXACT else "asymp"
    found = stats.ks_2samp(now_N, then_M, alternative=alternative, method=method)
    moved = float(stats.wasserstein_distance(now_N, then_M))
    return Compared(float(found.statistic), float(found.pvalue), {"wasserstein": moved})


def counts_differ(now_K: NDArray[np.int64], then_K: NDArray[np.int64], seed: int = 0) -> Compared:
    """Whether two counts of the same classes are of the same shares; the size is the share that would have to move.

    Pearson's chi-square test; with few records its exact distribution given both margins, by drawing tables.

    Returns:
        `figures` has `jensen_shannon`: the distance of base 2, from 0 to 1.

    Examples:
        >>> test = counts_differ(np.array([60, 40]), np.array([40, 60]))
        >>> round(test.size, 2), round(test.p, 4)
        (0.2, 0.0071)
    """
    table = np.stack([now_K, then_K]).astype(np.int64)
    table = table[:, table.sum(0) > 0]
    if (table.sum(1) == 0).any() or table.shape[1] < 2:
        return Compared(0.0, 1.0, {"jensen_shannon": 0.0})
    shares = table / table.sum(1, keepdims=True)
    figures = {"jensen_shannon": float(jensenshannon(shares[0], shares[1], base=2))}
    size = float(np.abs(shares[0] - shares[1]).sum() / 2)
    if table.shape[1] == 2 and table.sum() <= MOST_DRAWN:
        return Compared(size, float(stats.fisher_exact(table).pvalue), figures)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    if expected.min() >= EXPECTED or table.sum() > MOST_DRAWN:
        return Compared(size, float(stats.chi2_contingency(_frequent(table), correction=False).pvalue), figures)
    drawn = stats.random_table(table.sum(1), table.sum(0)).rvs(DRAWS, random_state=np.random.default_rng(seed))
    statistics = (np.square(drawn - expected) / expected).sum((1, 2))
    observed = (np.square(table - expected) / expected).sum()
    return Compared(size, float((1 + (statistics >= observed - 1e-9).sum()) / (1 + DRAWS)), figures)


def _frequent(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same table with all classes that are too rare for the approximation together."""
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    rare = expected.min(0) < EXPECTED
    return np.column_stack([table[:, ~rare], table[:, rare].sum(1)]) if rare.any() and not rare.all() else table


def share_differs(
    count: int, n: int, before: int, m: int, alternative: Literal["two-sided", "less", "greater"] = "two-sided"
) -> Compared:
    """Fisher's exact test of two shares, `count` of `n` in the window and `before` of `m`; the size has a sign.

    Examples:
        >>> share_differs(9, 10, 50, 100, "greater").p < 0.05, share_differs(0, 0, 5, 10).p
        (True, 1.0)
    """
    if not n or not m:
        return Compared(0.0, 1.0, {})
    found = stats.fisher_exact([[count, n - count], [before, m - before]], alternative=alternative)
    return Compared(count / n - before / m, float(found.pvalue), {})


def metric_worse(pooled: Scorer, now_N: NDArray[np.bool_], metric: str, seed: int, block: int = 1) -> Compared:
    """Whether a metric is worse on some of the records than on the others, by permuting which are which.

    Exact where records are independent (or blocks of neighbours are) and nothing has changed, whatever the metric and
    however few the records.

    Args:
        pooled: scorer of the window's and the reference's records together.
        now_N: which of them are the window's.
        metric: that both are held against each other by.
        seed: of the permutations.
        block: neighbours, in the order of the records, that are not independent and stay together.

    Returns:
        The size is by how much it is worse, positive is worse, in the metric's unit; NaN where it is undefined, and p
        is 1 then. `figures` has `now` and `then`.
    """
    sign = signed(metric, 1.0)

    def worse(mask_RN: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        weights_RN = mask_RN.astype(np.int32)
        return pooled.scores(weights_RN)[metric], pooled.scores(1 - weights_RN)[metric]

    now, then = (float(value[0]) for value in worse(now_N[None]))
    size = sign * (then - now)
    if np.isnan(size):
        return Compared(float("nan"), 1.0, {})
    figures = {"now": now, "then": then}
    if size <= 0:
        return Compared(size, 1.0, figures)
    normal = min(now_N.sum(), (~now_N).sum()) >= NORMAL * block
    drawn: list[NDArray[Any]] = []
    beyond = count = 0
    for mask_RN in _permutations(now_N, NORMAL_PERMUTATIONS if normal else PERMUTATIONS, seed, block):
        a, b = worse(mask_RN)
        gaps = sign * (b - a)
        drawn.append(gaps[~np.isnan(gaps)])
        count += len(drawn[-1])
        beyond += int((drawn[-1] >= size - 1e-12).sum())
        if beyond >= ENOUGH:
            break
    p = (1 + beyond) / (1 + count)
    if normal and beyond < ENOUGH:
        gaps = np.concatenate(drawn)
        p = min(p, float(stats.norm.sf((size - gaps.mean()) / gaps.std())))
    return Compared(size, p, figures)


def _permutations(now_N: NDArray[np.bool_], count: int, seed: int, block: int) -> Iterator[NDArray[np.bool_]]:
    """So many permutations of a mask, a chunk (R, N) at a time, in growing chunks; whole blocks change places."""
    generator = np.random.default_rng(seed)
    units_N = np.arange(len(now_N)) // block
    firsts = np.flatnonzero(np.diff(units_N, prepend=-1))
    mask_U = now_N[firsts]
    rows, done = min(50, count), 0
    while done < count:
        size = max(1, min(rows, count - done, CHUNK // len(now_N)))
        yield generator.permuted(np.repeat(mask_U[None], size, axis=0), axis=1)[:, units_N]
        done, rows = done + size, rows * 2
