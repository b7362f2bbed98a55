"""Which group a record is of, by the value of a column."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

MOST = 12  # groups of a column: the largest ones
MISSING = "missing"


def group_names(values: Sequence[Any], edges: Sequence[float] = ()) -> list[str]:
    """The group of each record by its value: itself, or between which edges it lies; `MISSING` where there is none.

    Args:
        values: of a column, None or NaN where missing.
        edges: where a column of numbers is divided; without them, numbers of more than `MOST` values are by quartiles.

    Examples:
        >>> group_names([18, 30, None, 70], (25, 60))
        ['below 25', '25 to 60', 'missing', 'from 60']
        >>> group_names(["a", None, 1.0])
        ['a', 'missing', '1']
    """
    known = [value for value in values if not absent(value)]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    if known and numbers and not edges and len(set(known)) > MOST:
        edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75])).tolist()
    if not (known and numbers and edges):
        return [_name(value) for value in values]
    bounds = [_name(float(edge)) for edge in edges]
    middle = [f"{low} to {high}" for low, high in pairwise(bounds)]
    names = [f"below {bounds[0]}", *middle, f"from {bounds[-1]}"]
    return [MISSING if absent(value) else names[int(np.searchsorted(edges, value, side="right"))] for value in values]


def absent(value: Any) -> bool:
    """Whether a value is missing: None or NaN."""
    return value is None or value != value  # noqa: PLR0124 - NaN is the one value that is not itself


def _name(value: Any) -> str:
    if absent(value):
        return MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)
