"""The records of a simulation: what the model is first trained on, and what then comes, with drift.

Shapes: N records.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightloop.config.tabular import TabularSpec
from lightloop.errors import LightloopError
from lightloop.simulation.plan import Plan, strength

HISTORY = 0.55  # share of the records that the first model is made of; the others come as traffic
# A record that comes again is nobody's exact copy: its finely measured numbers differ by about so much of themselves.
JITTER = 0.005
FINE = 0.5  # share of the values that are no whole numbers, and that differ from each other
# Of the loans: what applicants can afford, and the direction in which it gets worse.
MOVED = {"hrat": 1.0, "obrat": 1.0, "atotinc": -0.25, "liq": -0.1}
REGION = "obrat"  # the column by whose median the region of a concept drift is told


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
        missing = sorted({*MOVED, REGION} - set(kinds))
        if missing and plan.kind in ("covariate", "concept"):
            raise LightloopError(f"{plan.kind} drift moves the columns of the loans: {missing[0]} is no feature here")
        counts = table[spec.target].value_counts()
        if len(counts) != 2:
            raise LightloopError(f"{spec.name} has {len(counts)} classes: expected two, such as those of the loans")
        self._rare, self._usual = str(counts.index[-1]), str(counts.index[0])

    def day(self, day: int) -> list[Asked]:
        """All records of a day, in the order in which they come."""
        count = self._plan.records
        strengths_N = np.array([strength(self._plan, day + place / count) for place in range(count)])
        drawn = self._draw(strengths_N)
        labels_N = drawn[self._spec.target].to_numpy(dtype=object)
        if self._plan.kind == "covariate":
            drawn = self._moved(drawn, strengths_N)
        if self._plan.kind == "concept":
            labels_N = self._turned(drawn, labels_N, strengths_N)
        drawn = self._shaken(drawn)
        columns = {name: self._plain(drawn[name], kind) for name, kind in self._kinds.items()}
        return [
            Asked({name: column[row] for name, column in columns.items()}, str(labels_N[row]), float(strengths_N[row]))
            for row in range(count)
        ]

    def _draw(self, strengths_N: NDArray[np.float64]) -> pd.DataFrame:
        """Rows by chance, none twice on a day where there are enough; of a label drift more of the rarer class."""
        count = len(strengths_N)
        rare_T = (self._table[self._spec.target] == self._rare).to_numpy()
        if self._plan.kind != "label" or not strengths_N.any():
            rows_N = np.concatenate([self._random.permutation(len(rare_T)) for _ in range(-(-count // len(rare_T)))])[
                :count
            ]
        else:
            wanted_N = np.minimum(rare_T.mean() + self._plan.amount * strengths_N, 1.0)
            take_N = self._random.random(count) < wanted_N
            rare_N, usual_N = (self._random.choice(np.flatnonzero(mask), count) for mask in (rare_T, ~rare_T))
            rows_N = np.where(take_N, rare_N, usual_N)
        return self._table.iloc[rows_N].reset_index(drop=True)

    def _moved(self, drawn: pd.DataFrame, strengths_N: NDArray[np.float64]) -> pd.DataFrame:
        drawn = drawn.copy()
        for name, way in MOVED.items():
            step = way * self._plan.amount * float(self._table[name].std())
            drawn[name] = np.maximum(drawn[name].astype(float) + step * strengths_N, 0.0)
        return drawn

    def _turned(
        self, drawn: pd.DataFrame, labels_N: NDArray[np.object_], strengths_N: NDArray[np.float64]
    ) -> NDArray[np.object_]:
        inside_N = (drawn[REGION] >= self._table[REGION].median()).to_numpy()
        turned_N = inside_N & (self._turns.random(len(labels_N)) < self._plan.amount * strengths_N)
        other_N = np.where(labels_N == self._rare, self._usual, self._rare)
        return np.where(turned_N, other_N, labels_N)

    def _shaken(self, drawn: pd.DataFrame) -> pd.DataFrame:
        """A little noise on numbers that are measured finely: on counts and steps it would be a drift by itself."""
        drawn = drawn.copy()
        for name, kind in self._kinds.items():
            if kind != "number" or not pd.api.types.is_float_dtype(drawn[name].dtype):
                continue
            known = self._table[name].dropna()
            if (known % 1 != 0).mean() > FINE and known.nunique() > FINE * len(known):
                factor_N = 1 + JITTER * self._random.standard_normal(len(drawn))
                drawn[name] = drawn[name] * factor_N
        return drawn

    @staticmethod
    def _plain(column: "pd.Series[Any]", kind: str) -> list[Any]:
        """Values as JSON has them."""
        values: list[Any] = column.tolist()
        if kind == "text":
            return [None if pd.isna(one) else str(int(one) if isinstance(one, float) else one) for one in values]
        return [None if pd.isna(one) else one for one in values]
