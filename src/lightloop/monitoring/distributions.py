"""Columns as they were and as they are, for people to look at: bins of numbers, categories by their names.

Shapes: N records of the window, P points, B bins.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lightloop.errors import RefusedError
from lightloop.monitoring.findings import Distribution
from lightloop.monitoring.standing import Standing
from lightloop.monitoring.window import Window
from lightloop.serving.described import Values, described
from lightloop.serving.profile import Column

BINS: Final = 16
CATEGORIES: Final = 12
OTHER: Final = "all others"
TAIL: Final = 0.01  # of the training records at each end, which the outer bins hold
SAMPLE: Final = 20_000


def distributions(window: Window, standing: Standing) -> list[Distribution]:
    """All inputs and answers that the profile knows and the window has.

    Args:
        window: of the log, of the records that the bundle answered. Of many records the first 20,000 are looked at.
        standing: the bundle, with its profile.
    """
    profile, predictor = standing.profile, standing.predictor
    records, predictions = window.records.slice(0, SAMPLE), window.predictions.slice(0, SAMPLE)
    try:
        inputs = described(predictor.manifest.input, records, predictor.files) if records.num_columns else {}
    except (RefusedError, pa.ArrowInvalid, KeyError):  # said by the looks at the schema
        inputs = {}
    answers: dict[str, Values] = {}
    for name in ("label", "probability"):
        column = predictions.column(name)
        if column.null_count < len(column):
            answers[name] = column if name == "label" else _numbers(column)
    return [*_each(profile.features, inputs, "input"), *_each(profile.answers, answers, "answer")]


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), dtype=np.float64)


def _each(columns: Any, found: Mapping[str, Values], of: Literal["input", "answer"]) -> list[Distribution]:
    drawn = []
    for column in columns:
        values = found.get(column.name)
        if values is None or not column.known:
            continue
        one = of_numbers(values, column, of) if isinstance(values, np.ndarray) else of_categories(values, column, of)
        drawn += [one] if one is not None else []
    return drawn


def of_numbers(values_N: NDArray[np.float64], column: Column, of: Literal["input", "answer"]) -> Distribution | None:
    """Shares in bins of one width between the outer hundredths of the training records; None without a known value.

    Examples:
        >>> column = Column(name="x", kind="number", n=4, points=(0.0, 1.0), counts=(2, 4))
        >>> found = of_numbers(np.array([1.0, 1.0, 9.0, np.nan]), column, "input")
        >>> found.edges, found.then, [round(share, 2) for share in found.now]
        ([-0.5, 0.5, 1.5], [0.5, 0.5], [0.0, 1.0])
    """
    known = values_N[np.isfinite(values_N)]
    if not len(known):
        return None
    points_P, upto_P = np.array(column.points), np.array(column.counts) / column.known
    if len(points_P) <= BINS:  # counts and steps: a bin each
        middles = (points_P[1:] + points_P[:-1]) / 2
        half = (middles[0] - points_P[0]) if len(middles) else 0.5
        edges = np.concatenate([[points_P[0] - half], middles, [points_P[-1] + half]])
    else:
        low, high = np.interp([TAIL, 1 - TAIL], upto_P, points_P)
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    inner = edges[1:-1]
    # The share of the training records up to an edge: that of the last point that is not beyond it.
    places = np.searchsorted(points_P, inner, side="right") - 1
    then = np.diff(np.concatenate([[0.0], np.where(places < 0, 0.0, upto_P[places]), [1.0]]))
    now = np.bincount(np.searchsorted(inner, known, side="left"), minlength=len(inner) + 1) / len(known)
    return Distribution(
        name=column.name,
        of=of,
        edges=edges.tolist(),
        then=then.tolist(),
        now=now.tolist(),
        n_then=column.known,
        n_now=len(known),
    )


def of_categories(values: pa.ChunkedArray, column: Column, of: Literal["input", "answer"]) -> Distribution | None:
    """Shares of the most frequent categories, and of all others together; None without a known value."""
    known = values.drop_null()
    if not len(known):
        return None
    counts = {one["values"]: one["counts"] for one in pc.value_counts(known).to_pylist()}
    names = list(column.values)[:CATEGORIES]
    then = [column.values[name] for name in names]
    now = [counts.get(name, 0) for name in names]
    rest = column.known - sum(then), len(known) - sum(now)
    if any(rest):
        names, then, now = [*names, OTHER], [*then, rest[0]], [*now, rest[1]]
    return Distribution(
        name=column.name,
        of=of,
        values=names,
        then=[count / column.known for count in then],
        now=[count / len(known) for count in now],
        n_then=column.known,
        n_now=len(known),
    )
