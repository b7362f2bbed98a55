"""What a bootstrap draws: records, groups of them, or runs of neighbours in time. NumPy alone.

Records that resemble each other (messages that say the same, windows that overlap, days that follow each other) say
less than as many independent ones. Drawn one by one they give intervals that are too narrow.

Shapes: N records, R resamples, G groups, S blocks.
Sources: Davison & Hinkley 1997, section 3.8 (groups); Politis & Romano 1992 (circular blocks); Hall, Horowitz & Jing
1995 (block length as the cube root of the records).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.data import DataSpec
from lightloop.data.records import group_codes

Counts = NDArray[np.int32]
# Counts held at once: 2 MB of int32 that stay in the processor's cache.
CHUNK = 500_000


@dataclass(frozen=True, eq=False)
class Draws:
    """How records are drawn.

    Attributes:
        records: N.
        block: so many neighbours are drawn together; 1 draws each on its own.
        groups_N: each record's group, 0 to G-1: whole groups are drawn, and `block` is not looked at. None: no groups.
        order_N: row numbers in the order of time, for blocks; None: as they stand.
        column: that says what is drawn together.
    """

    records: int
    block: int = 1
    groups_N: NDArray[np.int64] | None = None
    order_N: NDArray[np.int64] | None = None
    column: str | None = None

    @property
    def independent(self) -> bool:
        """Whether each record is drawn on its own."""
        return self.groups_N is None and self.block == 1

    def as_json(self) -> dict[str, Any]:
        """What evidence files say of it: `unit`, how many `units` there are, `block` length, `column`."""
        if self.groups_N is not None:
            return {"unit": "group", "units": int(self.groups_N.max()) + 1, "block": None, "column": self.column}
        if self.block > 1:
            blocks = -(-self.records // self.block)
            return {"unit": "block", "units": blocks, "block": self.block, "column": self.column}
        return {"unit": "record", "units": self.records, "block": None, "column": None}

    def counts(self, resamples: int, seed: int) -> Iterator[Counts]:
        """How often each record was drawn in each resample, a chunk of resamples (R, N) at a time.

        Examples:
            >>> draws = Draws(4, groups_N=np.array([0, 0, 0, 1]))
            >>> (counts,) = draws.counts(resamples=3, seed=1)
            >>> counts.tolist()
            [[1, 1, 1, 1], [0, 0, 0, 2], [2, 2, 2, 0]]
        """
        if self.groups_N is not None:
            groups = int(self.groups_N.max()) + 1
            # No more counts at once, although there are fewer groups than records.
            for counts_RG in resample_counts(groups, resamples, seed, rows=max(1, CHUNK // self.records)):
                yield counts_RG[:, self.groups_N]
            return
        for counts_RN in resample_counts(self.records, resamples, seed, self.block):
            if self.order_N is None:
                yield counts_RN
            else:
                in_rows_RN = np.empty_like(counts_RN)
                in_rows_RN[:, self.order_N] = counts_RN
                yield in_rows_RN


def draws_of(spec: DataSpec, table: pa.Table, *, block: int = 1) -> Draws:
    """What the bootstrap of a table's records draws.

    Whole groups, where the spec has a group column; runs of neighbours, where records are divided by time or overlap;
    else records. The length of a run is `spec.block`, else the cube root of the number of records, and at least
    `block`.

    Args:
        spec: of the data set.
        table: records or predictions, with the columns of the roles `group` and `time`.
        block: neighbouring records that overlap, such as the windows of a forecast.
    """
    records = len(table)
    group = next((name for name in spec.with_role("group") if name in table.column_names), None)
    if group is not None:
        return Draws(records, groups_N=group_codes(table.column(group).to_pylist()), column=group)
    time = next((name for name in spec.with_role("time") if name in table.column_names), None)
    if spec.split.policy != "time" and block == 1:
        return Draws(records)
    length = max(block, spec.block or round(records ** (1 / 3)))
    order_N = None
    if time is not None:
        order_N = np.argsort(table.column(time).to_numpy(zero_copy_only=False), kind="stable")
    return blocks(Draws(records, length, order_N=order_N, column=time))


def blocks(draws: Draws) -> Draws:
    """The same with blocks of a third of the records at most.

    A block as long as the records would draw them all each time, and hide how unsure their mean is.
    """
    return replace(draws, block=max(1, min(draws.block, draws.records // 3)))


def resample_counts(
    records: int, resamples: int, seed: int, block: int = 1, *, rows: int | None = None
) -> Iterator[Counts]:
    """How often each record was drawn in each resample, int32, a chunk of resamples (R, N) at a time.

    With a `block`, runs of that many neighbours are drawn, wrapping around at the end, and as many records in all
    (circular block bootstrap: Politis & Romano 1992).

    Args:
        records: N.
        resamples: of all chunks.
        seed: of the draws; the size of chunks changes nothing.
        block: neighbours that are drawn together.
        rows: most resamples of a chunk.
    """
    generator = np.random.default_rng(seed)
    most = rows or max(1, CHUNK // records)
    block = min(block, records)
    for first in range(0, resamples, most):
        count = min(most, resamples - first)
        if block == 1:
            draws_RN = generator.integers(records, size=(count, records))
        else:
            starts_RS = generator.integers(records, size=(count, -(-records // block)))
            draws_RN = (starts_RS[:, :, None] + np.arange(block)).reshape(count, -1)[:, :records] % records
        draws_RN += np.arange(count)[:, None] * records
        yield np.bincount(draws_RN.ravel(), minlength=count * records).reshape(count, records).astype(np.int32)
