"""Drift of each feature: a window's records against the quantiles and counts of the training records.

Shapes: N records of the window, P points, K categories.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats
from scipy.special import rel_entr

from lightloop.config.monitoring import MonitorConfig
from lightloop.monitoring.comparing import counts_differ
from lightloop.monitoring.findings import Finding
from lightloop.serving.described import Values
from lightloop.serving.profile import Column, Profile

# Of the population stability index, as it is customary; no share counts as less than one record in so many.
BINS = 10
LEAST = 1e-4


def look(columns: Mapping[str, Values], profile: Profile, config: MonitorConfig, *, overlap: int = 1) -> list[Finding]:
    """Whether each feature is as it was among the training records. Candidates: `p_value` is raw.

    Args:
        columns: of the window, by `serving.described.described`.
        profile: of the bundle.
        config: read are `drift` and `fewest`.
        overlap: records in a row that have values in common, such as the windows of a forecast: so many count as one.

    Returns:
        A finding a feature; none of features with fewer known values than `fewest`, now or then.
    """
    found = []
    for column in profile.features:
        values = columns.get(column.name)
        if values is None or min(_known(values), column.known) < config.fewest:
            continue
        drift = (
            number_drift(values, column, overlap) if isinstance(values, np.ndarray) else category_drift(values, column)
        )
        found.append(_finding(column, drift, config.drift))
    return found


class Drift(dict[str, float]):
    """The figures of a comparison: `moved` (the share of records that would have to be moved to undo it), `p` of "there
    is none", `psi`, `jensen_shannon` (distance of base 2, 0 to 1); of numbers `wasserstein` (in standard deviations of
    the training records), `mean`, `mean_before`.
    """


def number_drift(values_N: NDArray[np.float64], column: Column, overlap: int = 1) -> Drift:
    """Kolmogorov and Smirnov's two-sample test at the points that the profile knows; NaN is not looked at.

    The statistic at points is at most that at all values, so that the p-value errs to the cautious side, and loses no
    more than one part in 256.

    Args:
        values_N: of the window, at least one of them known.
        column: of the profile, with at least one known value.
        overlap: see `look`.

    Examples:
        >>> column = Column(name="x", kind="number", n=4, points=(1.0, 2.0, 3.0, 4.0), counts=(1, 2, 3, 4), std=1.0)
        >>> round(number_drift(np.array([3.0, 4.0, 4.0, 4.0]), column)["moved"], 2)
        0.5
    """
    known = np.sort(values_N[np.isfinite(values_N)])
    points_P = np.array(column.points)
    now_P = np.searchsorted(known, points_P, side="right") / len(known)
    # Below the least point there was nothing; a value there is below all of the training records'.
    below = float(np.searchsorted(known, points_P[0], side="left")) / len(known)
    then_P = np.array(column.counts) / column.known
    moved = float(max(np.abs(now_P - then_P).max(), below))
    size = len(known) * column.known / (len(known) + column.known) / overlap
    widths = np.diff(points_P)
    # Beyond the points the training records have nothing: what lies there is carried to the nearest point.
    outside = np.maximum(points_P[0] - known, 0).mean() + np.maximum(known - points_P[-1], 0).mean()
    distance = float((np.abs(now_P - then_P)[:-1] * widths).sum() + outside)
    now_B, then_B = _binned(now_P, then_P)
    return Drift(
        moved=moved,
        p=float(stats.kstwo.sf(moved, max(1, round(size)))),
        psi=_psi(now_B, then_B),
        jensen_shannon=_jensen_shannon(now_B, then_B),
        # A column that was constant has no spread to measure by.
        wasserstein=distance / column.std if column.std > 0 else float(distance > 0),
        mean=float(known.mean()),
        mean_before=column.mean,
    )


def category_drift(values: pa.ChunkedArray, column: Column) -> Drift:
    """Pearson's chi-square test of the categories' counts; null is not looked at, unseen categories are one together.

    Examples:
        >>> column = Column(name="x", kind="category", n=100, values={"a": 50, "b": 50})
        >>> drift = category_drift(pa.chunked_array([["a"] * 80 + ["b"] * 20]), column)
        >>> round(drift["moved"], 2), drift["p"] < 1e-4
        (0.3, True)
    """
    found = {one["values"]: one["counts"] for one in pc.value_counts(values.drop_null()).to_pylist()}
    now = [found.get(value, 0) for value in column.values]
    now_K = np.array([*now, sum(found.values()) - sum(now)], dtype=np.int64)
    then_K = np.array([*column.values.values(), column.other], dtype=np.int64)
    test = counts_differ(now_K, then_K)
    shares = now_K / now_K.sum(), then_K / then_K.sum()
    return Drift(moved=test.size, p=test.p, psi=_psi(*shares), jensen_shannon=_jensen_shannon(*shares))


def _known(values: Values) -> int:
    return int(np.isfinite(values).sum()) if isinstance(values, np.ndarray) else len(values) - values.null_count


def _binned(now_P: NDArray[np.float64], then_P: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of both between deciles of the training records, as far as ties allow."""
    places = np.unique(np.searchsorted(then_P, np.arange(1, BINS) / BINS).clip(0, len(then_P) - 1))
    edges = [np.concatenate([[0.0], cumulative[places], [1.0]]) for cumulative in (now_P, then_P)]
    now_B, then_B = (np.diff(one).clip(0) for one in edges)
    kept = (now_B > 0) | (then_B > 0)
    return now_B[kept], then_B[kept]


def _psi(now: NDArray[np.float64], then: NDArray[np.float64]) -> float:
    now, then = now.clip(LEAST), then.clip(LEAST)
    return float(((now - then) * np.log(now / then)).sum())


def _jensen_shannon(now: NDArray[np.float64], then: NDArray[np.float64]) -> float:
    middle = (now + then) / 2
    divergence = float((rel_entr(now, middle) + rel_entr(then, middle)).sum()) / (2 * np.log(2))
    return float(np.sqrt(max(0.0, divergence)))


def _finding(column: Column, drift: Drift, limit: float) -> Finding:
    moved, p = drift["moved"], drift["p"]
    change = f"; its mean is {drift['mean']:.4g} and was {drift['mean_before']:.4g}" if "mean" in drift else ""
    return Finding(
        kind="feature_drift",
        name=column.name,
        alarm=moved >= limit,
        sentence=(
            f"{column.name}: {100 * moved:.1f} % of the records would have to be moved to be as the training records "
            f"(limit {100 * limit:.3g} %){change}."
        ),
        value=moved,
        limit=limit,
        p_value=p,
        figures={name: value for name, value in drift.items() if name not in ("moved", "p") and np.isfinite(value)},
    )
