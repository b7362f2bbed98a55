"""Groups of records by the values of a column, and metrics of groups with what sets them apart from the rest.

Shapes: N records, R resamples, G groups.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.metrics import signed
from lightloop.config.schema import Config
from lightloop.data.grouping import MOST, group_names
from lightloop.evaluation.bootstrap import Scorer, interval_of, share_beyond, two_sided
from lightloop.evaluation.draws import Draws, draws_of
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.metrics import Floats
from lightloop.evaluation.problem import Problem


@dataclass(frozen=True)
class Groups:
    """The records of a column's groups.

    Attributes:
        names: of the groups that are large enough, the largest first.
        rows: whether each record (N,) is of the group, in the order of `names`.
        left_out: records of groups that are too small, or beyond the largest ones.
    """

    names: tuple[str, ...]
    rows: tuple[NDArray[np.bool_], ...]
    left_out: int


def groups_of(values: Sequence[Any], smallest: int, edges: Sequence[float] = ()) -> Groups:
    """Records by the value of a column; numbers of many values by the edges, or by their quartiles.

    Args:
        values: of the column, None where missing.
        smallest: records that a group must have for something to be said of it.
        edges: where a column of numbers is divided; a group holds its lower edge.

    Examples:
        >>> groups_of(["a", "b", "a", None, "a"], smallest=2).names
        ('a',)
        >>> groups_of([18, 30, 45, 70], smallest=1, edges=(25, 60)).names
        ('25 to 60', 'below 25', 'from 60')
    """
    names_N = np.array(group_names(values, edges), dtype=object)
    found, counts = np.unique(names_N.astype(str), return_counts=True)
    by_size = sorted(zip(found.tolist(), counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    kept = [name for name, count in by_size if count >= smallest][:MOST]
    rows = tuple(names_N == name for name in kept)
    return Groups(tuple(kept), rows, len(names_N) - int(sum(inside.sum() for inside in rows)))


@dataclass(frozen=True)
class Records:
    """Records that something is said about, and how.

    Attributes:
        problem: of the data.
        table: of predictions, or of records with their labels.
        how: confidence, resamples, seed.
        smallest: records of a group of which something is said.
    """

    problem: Problem
    table: pa.Table
    how: Resampling
    smallest: int

    @classmethod
    def of(cls, config: Config, problem: Problem, table: pa.Table) -> "Records":
        return cls(problem, table, Resampling.of(config), config.gate.smallest_group)

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def draws(self) -> Draws:
        """What a bootstrap of them draws."""
        return draws_of(self.problem.spec, self.table, block=self.problem.block)

    def groups(self, column: str) -> Groups:
        """The groups by the values of a column."""
        return groups_of(self.table.column(column).to_pylist(), self.smallest, self.problem.spec.bins.get(column, ()))

    def only(self, rows: NDArray[Any]) -> "Records":
        """Some of them: row numbers, or whether each (N,) is kept."""
        kept = self.table.filter(pa.array(rows)) if rows.dtype == bool else self.table.take(rows)
        return replace(self, table=kept)


class Part:
    """Some of the records, and what sets them apart from the rest: a model's scores there, for each resample.

    Args:
        inside: scorer of the records of the group.
        rest: scorer of the other ones; None where there are too few to compare with.
        rows_N: whether each record is of the group.
    """

    def __init__(self, inside: Scorer, rest: Scorer | None, rows_N: NDArray[np.bool_]) -> None:
        self.inside, self.rest, self.rows_N = inside, rest, rows_N
        self._draws: list[tuple[dict[str, Floats], dict[str, Floats]]] = []

    def add(self, weights_RN: NDArray[np.int32]) -> None:
        """Score more resamples (the first of all with every weight one)."""
        rest = dict(self.rest.scores(weights_RN[:, ~self.rows_N])) if self.rest else {}
        self._draws.append((dict(self.inside.scores(weights_RN[:, self.rows_N])), rest))

    def metrics(self, confidence: float) -> dict[str, dict[str, float | None]]:
        """By metric the value in the group, with its interval."""
        return {name: asdict(interval_of(*self._of(0, name), confidence)) for name in self.inside.names}

    def difference(self, name: str, confidence: float) -> dict[str, Any]:
        """How much better the group is than the rest on a metric: value, interval, and p of "no difference".

        `p_worse` is of "not worse than the rest", one-sided. None where there is no rest, or it is undefined.
        """
        nothing = {"metric": name, "value": None, "low": None, "high": None, "p": None, "p_worse": None}
        if self.rest is None:
            return nothing
        (point, draws_R), (other, others_R) = self._of(0, name), self._of(1, name)
        sign = signed(name, 1.0)
        gap_R = sign * (draws_R - others_R)
        interval = interval_of(sign * (point - other), gap_R, confidence)
        if interval.value is None:
            return nothing
        return {"metric": name, **asdict(interval), "p": two_sided(gap_R), "p_worse": share_beyond(gap_R)}

    def _of(self, side: int, name: str) -> tuple[float, Floats]:
        values = [chunk[side][name] for chunk in self._draws]
        return float(values[0][0]), np.concatenate(values[1:])


def score_parts(
    records: Records,
    answers_NM: NDArray[np.floating[Any]],
    rows: Sequence[NDArray[np.bool_]],
    names: Collection[str],
) -> list[Part]:
    """Score groups of records and the rest of each, all on the same resamples of all records.

    Args:
        records: all of them.
        answers_NM: a model's answers to them.
        rows: (N,) of each group.
        names: metrics to score by.
    """

    def scorer(rows_N: NDArray[np.bool_]) -> Scorer:
        return records.problem.scorer(records.only(rows_N).table, answers_NM[rows_N], names)

    parts = [Part(scorer(one), scorer(~one) if (~one).sum() >= records.smallest else None, one) for one in rows]
    if not parts:
        return []
    ones_1N = np.ones((1, len(records)), dtype=np.int32)
    for weights_RN in (ones_1N, *records.draws.counts(records.how.resamples, records.how.seed)):
        for part in parts:
            part.add(weights_RN)
    return parts
