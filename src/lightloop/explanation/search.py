"""Counterfactuals of rows of a table: other values of few columns with which the decision is another one.

The method is NICE: from training rows that are decided as wanted, the nearest first, values are copied one by one,
each time that which gains most for its distance, until the decision turns. Beside it a greedy search along coordinates
takes, one column after the other, the training value that gains most, for records that no such row is like. Then
changes that are not needed are taken back, and the others made as small as training values allow. So each proposed
value is one that a training row has.

Shapes: S states (rows that are being changed), N records, M training rows, F columns, V values of a column.
Sources: Brughmans et al. 2021, arXiv:2104.07411 (NICE); distance by median absolute deviations: Wachter et al. 2017,
arXiv:1711.00399; taking changes back: Mothilal et al. 2020, arXiv:1905.07697, section 3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.data.tabular.input import Feature

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Direction = Literal["any", "up", "down", "none"]
# The chance of the wanted class, and whether the decision is for it, of states and the class wanted of each.
Ask = Callable[[Codes, Codes], tuple[Floats, NDArray[np.bool_]]]

MISSING = -1
MOST_CHANGES = 6  # columns that one counterfactual changes
GRID = 16  # values of a column that are tried
OUTERMOST = 0.01  # share of the training rows at each end, whose values are not


@dataclass(frozen=True)
class Column:
    """The values that a column has, as codes 0 to V - 1; numbers and ordered ones rise; a missing value is MISSING.

    Attributes:
        name: of the column.
        direction: in which it may change.
        values: as the file has them.
        seen_V: which of them training rows have.
        grid: some of these that stand for all, int64.
        place_V: numbers, or ranks of ordered values, in units of `scale`; None for categories, of which one change is
            as far as any other: 1.
        scale: the median absolute deviation of training rows, in the column's unit.
    """

    name: str
    direction: Direction
    values: pa.Array
    seen_V: NDArray[np.bool_]
    grid: Codes
    place_V: Floats | None
    scale: float | None

    def distance(self, first_S: Codes, second_S: Codes) -> Floats:
        """How far apart values are (S,)."""
        apart_S = (first_S != second_S).astype(np.float64)
        if self.place_V is None or not len(self.place_V):
            return apart_S
        far_S = np.abs(self.place_V[first_S] - self.place_V[second_S])
        return np.where((first_S == MISSING) | (second_S == MISSING), apart_S, far_S)

    def allows(self, start_S: Codes, end_S: Codes) -> NDArray[np.bool_]:
        """Whether a change is allowed (S,): what is missing stays so, and nothing is taken away."""
        if self.direction == "none":
            return np.zeros(len(start_S), dtype=np.bool_)
        allowed_S = (start_S != end_S) & (start_S != MISSING) & (end_S != MISSING)
        if self.direction == "any":
            return allowed_S
        return allowed_S & ((end_S > start_S) if self.direction == "up" else (end_S < start_S))


@dataclass(frozen=True)
class Found:
    """Counterfactuals: states, the record (S,) of each, and the distance (S,) between; of a record nearest first."""

    states_SF: Codes
    record_S: Codes
    distance_S: Floats


def column_of(
    feature: Feature, direction: Direction, train: pa.Table, records: pa.Table
) -> tuple[Column, Codes, Codes]:
    """A column's values, and the codes of training rows (M,) and records (N,)."""
    chunks = [*train[feature.name].chunks, *records[feature.name].chunks]
    both = pa.chunked_array(chunks, train[feature.name].type).combine_chunks()
    values = [value for value in dict.fromkeys(both.to_pylist()) if value is not None and value == value]  # noqa: PLR0124
    order: Callable[[Any], Any] = str
    if feature.kind == "number":
        order = float
    elif feature.kind == "ordered":
        known = list(feature.values)
        order = lambda value: known.index(str(value)) if str(value) in known else len(known)  # noqa: E731
    values = sorted(values, key=order)
    code = {value: number for number, value in enumerate(values)}
    codes = np.array([code.get(value, MISSING) for value in both.to_pylist()], dtype=np.int64)
    train_M, records_N = codes[: len(train)], codes[len(train) :]
    seen_V = np.isin(np.arange(len(values)), train_M)
    grid, place_V, scale = np.flatnonzero(seen_V), None, None
    if feature.kind != "category":
        raw_V = np.array([float(value) if feature.kind == "number" else order(value) for value in values], dtype=float)
        known_M = train_M[train_M != MISSING]
        scale = deviation(raw_V[known_M])
        place_V = raw_V / scale
        if len(known_M):
            quantiles = np.quantile(known_M, np.linspace(OUTERMOST, 1 - OUTERMOST, GRID), method="nearest")
            grid = np.unique(quantiles).astype(np.int64)
    column = Column(feature.name, direction, pa.array(values, both.type), seen_V, grid, place_V, scale)
    return column, train_M, records_N


def deviation(values_M: Floats) -> float:
    """The median absolute deviation; where it is 0 the standard deviation, and where that is 0, 1.

    Examples:
        >>> deviation(np.array([1.0, 2.0, 4.0])), deviation(np.array([0.0, 0.0, 0.0, 2.0])), deviation(np.array([3.0]))
        (1.0, 0.8660254037844386, 1.0)
    """
    if not len(values_M):
        return 1.0
    found = float(np.median(np.abs(values_M - np.median(values_M))))
    return found or float(values_M.std()) or 1.0


def table_of(columns: Sequence[Column], states_SF: Codes) -> pa.Table:
    """States as raw rows."""
    return pa.table(
        {
            column.name: column.values.take(pa.array(codes_S, mask=codes_S == MISSING))
            for column, codes_S in zip(columns, states_SF.T, strict=True)
        }
    )


def distances(columns: Sequence[Column], first_SF: Codes, second_SF: Codes) -> Floats:
    """How far each column's values are apart (S, F)."""
    return np.stack(
        [one.distance(first_SF[:, place], second_SF[:, place]) for place, one in enumerate(columns)], axis=1
    )


def allowed(columns: Sequence[Column], start_SF: Codes, end_SF: Codes) -> NDArray[np.bool_]:
    """Which changes are allowed (S, F)."""
    return np.stack([one.allows(start_SF[:, place], end_SF[:, place]) for place, one in enumerate(columns)], axis=1)


def neighbours(columns: Sequence[Column], start_F: Codes, donors_MF: Codes, count: int) -> Codes:
    """Row numbers of the training rows nearest to a record by the columns that may change, each by another way."""
    starts_MF = np.broadcast_to(start_F, donors_MF.shape)
    may_MF = allowed(columns, starts_MF, donors_MF)
    far_M = np.where(may_MF, distances(columns, starts_MF, donors_MF), 0).sum(1)
    far_M = np.where(may_MF.any(1), far_M, np.inf)
    order = np.argsort(far_M, kind="stable")[:count]
    return order[np.isfinite(far_M[order])]


def search(
    columns: Sequence[Column], start_NF: Codes, goal_N: Codes, donors: Sequence[Codes], ask: Ask, *, each: int
) -> Found:
    """At most `each` different counterfactuals a record.

    Args:
        columns: F.
        start_NF: the records.
        goal_N: the class that each is to be decided for.
        donors: for each record, training rows (M, F) that are decided so.
        ask: the model.
        each: how many.
    """
    every = np.arange(len(start_NF))
    record_S = np.repeat(every, [len(one) for one in donors])
    copied_SF, copied_S = greedy(columns, start_NF[record_S], goal_N[record_S], np.concatenate(donors), ask)
    states, record = [copied_SF[copied_S]], [record_S[copied_S]]
    for thrifty in (False, True):
        moved_NF, moved_N = along_coordinates(columns, start_NF, goal_N, ask, thrifty=thrifty)
        states.append(moved_NF[moved_N])
        record.append(every[moved_N])
    states_SF, record_S = np.concatenate(states), np.concatenate(record)
    goal_S, start_SF = goal_N[record_S], start_NF[record_S]
    if len(record_S):
        states_SF = taken_back(columns, start_SF, states_SF, goal_S, ask)
        states_SF = shrunk(columns, start_SF, states_SF, goal_S, ask)
    return _different(Found(states_SF, record_S, distances(columns, start_SF, states_SF).sum(1)), start_SF, each)


def greedy(
    columns: Sequence[Column], start_SF: Codes, goal_S: Codes, donor_SF: Codes, ask: Ask
) -> tuple[Codes, NDArray[np.bool_]]:
    """Copy values of donors until the decision turns: the states, and where it did."""
    states_SF, reached_S = start_SF.copy(), np.zeros(len(start_SF), dtype=np.bool_)
    cost_SF = distances(columns, start_SF, donor_SF)
    left_SF = allowed(columns, start_SF, donor_SF)
    chance_S, _ = ask(states_SF, goal_S)
    for _ in range(MOST_CHANGES):
        rows, places = np.nonzero(left_SF & ~reached_S[:, None])
        if not len(rows):
            break
        tried = states_SF[rows]
        tried[np.arange(len(rows)), places] = donor_SF[rows, places]
        chance, turned = ask(tried, goal_S[rows])
        gain = (chance - chance_S[rows]) / np.maximum(cost_SF[rows, places], 1e-6)
        # What turns the decision comes first, and of that the nearest; else what gains most for its distance.
        key = np.lexsort((np.where(turned, cost_SF[rows, places], -gain), ~turned, rows))
        first = key[np.unique(rows[key], return_index=True)[1]]
        chosen, taken = rows[first], places[first]
        states_SF[chosen, taken] = donor_SF[chosen, taken]
        left_SF[chosen, taken] = False
        chance_S[chosen] = chance[first]
        reached_S[chosen] |= turned[first]
    return states_SF, reached_S


def along_coordinates(
    columns: Sequence[Column], start_NF: Codes, goal_N: Codes, ask: Ask, *, thrifty: bool
) -> tuple[Codes, NDArray[np.bool_]]:
    """Give one column after the other the training value that gains most: the states, and where the decision turned.

    A thrifty search looks at what is gained for the distance: nearer where it comes to an end, which it may not.

    Of numbers and ordered values GRID are tried, quantiles of the training rows without the outermost.
    """
    states_NF, reached_N = start_NF.copy(), np.zeros(len(start_NF), dtype=np.bool_)
    places_T = np.repeat(np.arange(len(columns)), [len(column.grid) for column in columns])
    values_T = np.concatenate([column.grid for column in columns])
    may_NT = np.zeros((len(start_NF), len(places_T)), dtype=np.bool_)
    for place, column in enumerate(columns):
        for number in np.flatnonzero(places_T == place):
            may_NT[:, number] = column.allows(start_NF[:, place], np.full(len(start_NF), values_T[number]))
    chance_N, _ = ask(states_NF, goal_N)
    for _ in range(MOST_CHANGES):
        rows, numbers = np.nonzero(may_NT & ~reached_N[:, None])
        if not len(rows):
            break
        tried = states_NF[rows]
        tried[np.arange(len(rows)), places_T[numbers]] = values_T[numbers]
        chance, turned = ask(tried, goal_N[rows])
        gain = chance - chance_N[rows]
        cost = distances(columns, start_NF[rows], tried).sum(1)
        added = cost - distances(columns, start_NF[rows], states_NF[rows]).sum(1)
        weight = np.maximum(added, 1e-6) if thrifty else 1.0
        key = np.lexsort((np.where(turned, cost, -gain / weight), ~turned, rows))
        first = key[np.unique(rows[key], return_index=True)[1]]
        first = first[chance[first] > chance_N[rows[first]]]
        if not len(first):
            break
        chosen = rows[first]
        states_NF[chosen] = tried[first]
        chance_N[chosen], reached_N[chosen] = chance[first], turned[first]
        may_NT[chosen] &= places_T != places_T[numbers[first]][:, None]
    return states_NF, reached_N


def taken_back(columns: Sequence[Column], start_SF: Codes, states_SF: Codes, goal_S: Codes, ask: Ask) -> Codes:
    """Without the changes that are not needed, the farthest tried first."""
    states_SF = states_SF.copy()
    order_SF = np.argsort(-distances(columns, start_SF, states_SF), axis=1, kind="stable")
    for place_S in order_SF[:, :MOST_CHANGES].T:
        rows = np.flatnonzero(
            states_SF[np.arange(len(states_SF)), place_S] != start_SF[np.arange(len(states_SF)), place_S]
        )
        # A state that is the record itself is none.
        rows = rows[(states_SF[rows] != start_SF[rows]).sum(1) > 1]
        if not len(rows):
            continue
        tried = states_SF[rows]
        tried[np.arange(len(rows)), place_S[rows]] = start_SF[rows, place_S[rows]]
        _, turned = ask(tried, goal_S[rows])
        states_SF[rows[turned]] = tried[turned]
    return states_SF


def shrunk(columns: Sequence[Column], start_SF: Codes, states_SF: Codes, goal_S: Codes, ask: Ask) -> Codes:
    """With each number and ordered value as near to the record's as the decision allows, by halving."""
    states_SF = states_SF.copy()
    order_SF = np.argsort(-distances(columns, start_SF, states_SF), axis=1, kind="stable")
    every = np.arange(len(states_SF))
    for place_S in order_SF[:, :MOST_CHANGES].T:
        # Steps from the record's value: `near` does not turn the decision as far as is known, `far` does.
        ways = [_way(columns[place], start_SF[row, place], states_SF[row, place]) for row, place in enumerate(place_S)]
        near_S, far_S = np.full(len(ways), -1), np.array([len(way) - 1 for way in ways])
        while len(rows := every[far_S - near_S > 1]):
            middle = (near_S[rows] + far_S[rows]) // 2
            tried = states_SF[rows]
            tried[np.arange(len(rows)), place_S[rows]] = [
                ways[row][step] for row, step in zip(rows, middle, strict=True)
            ]
            _, turned = ask(tried, goal_S[rows])
            far_S[rows] = np.where(turned, middle, far_S[rows])
            near_S[rows] = np.where(turned, near_S[rows], middle)
            states_SF[rows[turned]] = tried[turned]
    return states_SF


def _way(column: Column, start: int, end: int) -> Codes:
    """The training values from a record's value on, without it, to another one."""
    if column.place_V is None or start == end or MISSING in (start, end):
        return np.array([end])
    step = 1 if end > start else -1
    codes = np.arange(start + step, end + step, step)
    return codes[column.seen_V[codes]]


def _different(found: Found, start_SF: Codes, each: int) -> Found:
    """The nearest of each record, and further ones that do not change all the columns of one that was taken."""
    changed_SF = found.states_SF != start_SF
    taken: list[int] = []
    for record in np.unique(found.record_S):
        rows = np.flatnonzero(found.record_S == record)
        own: list[int] = []
        for row in rows[np.argsort(found.distance_S[rows], kind="stable")].tolist():
            if len(own) < each and not any((changed_SF[other] <= changed_SF[row]).all() for other in own):
                own.append(row)
        taken += own
    return Found(found.states_SF[taken], found.record_S[taken], found.distance_S[taken])
