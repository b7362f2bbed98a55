"""The records of a simulation: what the model is first trained on, and what then comes, with drift.

Shapes: N records.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightloop.config.tabular import TabularSpec
from lightloop.errors import LightloopError
from lightloop.simulation.plan import Plan, strength

Alone = dict[str, NDArray[np.bool_]]
HISTORY = 0.55  # share of the records that the first model is made of; the others come as traffic
# A record that comes again is nobody's exact copy: numbers that it alone has differ by about so much of themselves.
JITTER = 0.005
# Of the loans: what applicants can afford, and the direction in which it gets worse. Of other tables the numbers with
# the most values, upwards.
MOVED = {"hrat": 1.0, "obrat": 1.0, "atotinc": -0.25, "liq": -0.1}
REGION = "obrat"  # the column by whose median the region of a concept drift is told; of others the first of those
MOST_MOVED = 3


@dataclass(frozen=True)
class Asked:
    """A record as it is asked, and what turns out to be true of it.

    Attributes:
        record: by feature; None where it is missing.
        label: the truth.
        drift: strength of the drift when it came.
    """

    record: dict[str, Any]
    label: str
    drift: float


def halves(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """History and stream, both in the order of the file: no record is in both."""
    chosen = np.random.default_rng(seed).permutation(len(table)) < HISTORY * len(table)
    return table[chosen].reset_index(drop=True), table[~chosen].reset_index(drop=True)


def alone(table: pd.DataFrame, columns: Iterable[str]) -> Alone:
    """By column, which records (N,) have a value that no other one has."""
    return {name: (table[name].notna() & ~table[name].duplicated(keep=False)).to_numpy() for name in columns}


def shaken(table: pd.DataFrame, rows_N: NDArray[np.int64], alone: Alone, random: np.random.Generator) -> pd.DataFrame:
    """Records, with a little noise on numbers that no other record has, in the step of their column.

    What several have (a usual share of the price, a round sum, a count) stays: were it moved, the column would drift by
    itself.
    """
    drawn = table.iloc[rows_N].reset_index(drop=True)
    for name, alone_T in alone.items():
        known, values = table[name].dropna(), drawn[name]
        noisy = values * (1 + JITTER * random.standard_normal(len(values)))
        if (known % 1 == 0).all():
            noisy = noisy.round()
        changed_N = alone_T[rows_N]
        drawn.loc[changed_N, name] = noisy[changed_N].astype(values.dtype)
    return drawn


class Stream:
    """Draws records, day by day.

    Args:
        table: the records that may come, at least one of each class.
        spec: names features, target and classes.
        plan: what drifts.
        kinds: of the features as the service takes them: `number` or `text`, by name.
    """

    def __init__(self, table: pd.DataFrame, spec: TabularSpec, plan: Plan, kinds: dict[str, str]) -> None:
        self._table = table
        self._spec = spec
        self._plan = plan
        self._kinds = kinds
        # A drift draws from a source of its own: the records are the same with and without it.
        self._random, self._turns = (np.random.default_rng([plan.seed, part]) for part in (1, 2))
        numbers = [name for name, kind in kinds.items() if kind == "number"]
        self._alone = alone(table, numbers)
        finest = sorted(numbers, key=lambda name: -table[name].nunique())[:MOST_MOVED]
        if not finest and plan.kind in ("covariate", "concept"):
            raise LightloopError(f"{plan.kind} drift is of numbers, but {spec.name} has none: simulate label drift")
        loans = {*MOVED, REGION} <= set(kinds)
        self._moves = MOVED if loans else dict.fromkeys(finest, 1.0)
        self._region = REGION if loans else next(iter(finest), "")
        counts = table[spec.target].value_counts()
        if len(counts) != 2:
            raise LightloopError(f"{spec.name} has {len(counts)} classes: expected two, such as those of the loans")
        self._rare, self._usual = str(counts.index[-1]), str(counts.index[0])

    def day(self, day: int) -> list[Asked]:
        """All records of a day, in the order in which they come."""
        count = self._plan.records
        strengths_N = np.array([strength(self._plan, day + place / count) for place in range(count)])
        drawn = shaken(self._table, self._draw(strengths_N), self._alone, self._random)
        labels_N = drawn[self._spec.target].to_numpy(dtype=object)
        if self._plan.kind == "covariate":
            drawn = self._moved(drawn, strengths_N)
        if self._plan.kind == "concept":
            labels_N = self._turned(drawn, labels_N, strengths_N)
        columns = {name: self._plain(drawn[name], kind) for name, kind in self._kinds.items()}
        return [
            Asked({name: column[row] for name, column in columns.items()}, str(labels_N[row]), float(strengths_N[row]))
            for row in range(count)
        ]

    def _draw(self, strengths_N: NDArray[np.float64]) -> NDArray[np.int64]:
        """Rows by chance, none twice on a day where there are enough; of a label drift more of the rarer class."""
        count = len(strengths_N)
        rare_T = (self._table[self._spec.target] == self._rare).to_numpy()
        if self._plan.kind != "label" or not strengths_N.any():
            rounds = range(-(-count // len(rare_T)))
            return np.concatenate([self._random.permutation(len(rare_T)) for _ in rounds])[:count]
        wanted_N = np.minimum(rare_T.mean() + self._plan.amount * strengths_N, 1.0)
        take_N = self._random.random(count) < wanted_N
        rare_N, usual_N = (self._random.choice(np.flatnonzero(mask), count) for mask in (rare_T, ~rare_T))
        return np.where(take_N, rare_N, usual_N)

    def _moved(self, drawn: pd.DataFrame, strengths_N: NDArray[np.float64]) -> pd.DataFrame:
        drawn = drawn.copy()
        for name, way in self._moves.items():
            step = way * self._plan.amount * float(self._table[name].std())
            moved = drawn[name].astype(float) + step * strengths_N
            drawn[name] = np.maximum(moved, 0.0) if self._table[name].min() >= 0 else moved
        return drawn

    def _turned(
        self, drawn: pd.DataFrame, labels_N: NDArray[np.object_], strengths_N: NDArray[np.float64]
    ) -> NDArray[np.object_]:
        inside_N = (drawn[self._region] >= self._table[self._region].median()).to_numpy()
        turned_N = inside_N & (self._turns.random(len(labels_N)) < self._plan.amount * strengths_N)
        other_N = np.where(labels_N == self._rare, self._usual, self._rare)
        return np.where(turned_N, other_N, labels_N)

    @staticmethod
    def _plain(column: "pd.Series[Any]", kind: str) -> list[Any]:
        """Values as JSON has them."""
        values: list[Any] = column.tolist()
        if kind == "text":
            return [None if pd.isna(one) else str(int(one) if isinstance(one, float) else one) for one in values]
        return [None if pd.isna(one) else one for one in values]
