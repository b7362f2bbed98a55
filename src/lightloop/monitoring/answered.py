"""What a window of the log says, as arrays: answers beside the truth where it is known. NumPy and pyarrow.

Shapes: N predictions, K classes, H numbers of one answer.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lightloop.monitoring.window import Window
from lightloop.serving.manifest import Manifest

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Answered:
    """Predictions as arrays, in the order of time.

    Attributes:
        manifest: of the bundle that they are judged by.
        probabilities: (N, K), float64; (N, 0) but of classes.
        codes: places (N,) of the answered classes; `UNKNOWN` where none of the bundle's is named.
        values: (N, H), float64; (N, 0) but of numbers.
        abstains: (N,).
        novelty: p-values (N,), NaN where there are none.
        labels: places (N,) of the right classes, `UNKNOWN` where not known.
        truths: what was right (N, H), NaN where not known.
        rows: of the window's tables, (N,).
        records: what was asked, the columns of a record.
    """

    manifest: Manifest
    probabilities: NDArray[np.float64]
    codes: Codes
    values: NDArray[np.float64]
    abstains: Flags
    novelty: NDArray[np.float64]
    labels: Codes
    truths: NDArray[np.float64]
    rows: NDArray[np.int64]
    records: pa.Table

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def classes(self) -> bool:
        """Whether the bundle answers classes."""
        return self.manifest.answer == "probabilities"

    @property
    def numbers(self) -> bool:
        """Whether the bundle answers numbers."""
        return self.manifest.answer == "prediction"

    @cached_property
    def labelled(self) -> "Answered":
        """Those whose truth is known."""
        if self.classes:
            return self.only(self.labels != UNKNOWN)
        known_N = np.asarray(np.isfinite(self.truths).all(axis=1), dtype=np.bool_)
        return self.only(known_N & self.numbers)

    def only(self, where_N: Flags) -> "Answered":
        """Some of them."""
        return self.taken(np.flatnonzero(where_N))

    def taken(self, rows: NDArray[np.int64]) -> "Answered":
        """Those with these numbers, in this order."""
        arrays = ("probabilities", "codes", "values", "abstains", "novelty", "labels", "truths", "rows")
        kept = {name: getattr(self, name)[rows] for name in arrays}
        # A table without columns has no rows to take.
        records = self.records.take(rows) if self.records.num_columns else self.records
        return replace(self, **kept, records=records)

    def drawn(self, most: int, seed: int, block: int = 1) -> "Answered":
        """So many of them at most, drawn at random, in the same order.

        Neighbours that overlap have to stay beside each other: with a `block` the newest ones are taken.
        """
        if len(self) <= most:
            return self
        if block > 1:
            return self.taken(np.arange(len(self) - most, len(self)))
        where_N = np.zeros(len(self), dtype=np.bool_)
        where_N[np.random.default_rng(seed).permutation(len(self))[:most]] = True
        return self.only(where_N)


def answered(window: Window, manifest: Manifest) -> Answered:
    """The predictions of a window that fit the bundle's answers.

    Others are left out: damaged ones, and those of a release that had other classes or another number of numbers.
    """
    table = window.predictions
    count, names = len(table), manifest.classes
    p_NK, values_NH = np.zeros((count, 0)), np.zeros((count, 0))
    codes_N = labels_N = np.full(count, UNKNOWN, dtype=np.int64)
    truths_NH, fits_N = np.zeros((count, 0)), np.ones(count, dtype=np.bool_)
    if manifest.answer == "probabilities":
        p_NK, fits_N = matrix_of(table, "probabilities", len(names))
        codes_N, labels_N = _codes(table, "label", names), _codes(table, "truth", names)
        fits_N &= codes_N != UNKNOWN
    elif manifest.answer == "prediction":
        width = _width(manifest)
        values_NH, fits_N = matrix_of(table, "values", width)
        truths_NH, _ = matrix_of(table, "truth_values", width)
    abstains_N = _column(table, "abstains", pa.bool_(), False)
    found = Answered(
        manifest=manifest,
        probabilities=p_NK,
        codes=codes_N,
        values=values_NH,
        abstains=np.asarray(abstains_N, dtype=np.bool_),
        novelty=np.asarray(_column(table, "novelty", pa.float64(), np.nan), dtype=np.float64),
        labels=labels_N,
        truths=truths_NH,
        rows=np.arange(count),
        records=window.records,
    )
    return found if fits_N.all() else found.only(fits_N)


def matrix_of(table: pa.Table, column: str, width: int) -> tuple[NDArray[np.float64], Flags]:
    """A column of lists as a matrix (N, width) of float64, and which rows (N,) are lists of that length of numbers.

    Rows that are not, also nulls, are NaN.

    Examples:
        >>> matrix_of(pa.table({"p": [[0.5, 0.5], None, [1.0]]}), "p", 2)[1].tolist()
        [True, False, False]
    """
    found_NW, fits_N = np.full((len(table), width), np.nan), np.zeros(len(table), dtype=np.bool_)
    if column not in table.column_names or not len(table) or not pa.types.is_list(table.schema.field(column).type):
        return found_NW, fits_N
    lists = table.column(column).combine_chunks()
    lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
    fits_N = pc.equal(pc.list_value_length(lists), width).fill_null(False).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(fits_N)
    flat = lists.take(pa.array(rows)).flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    found_NW[rows] = flat.reshape(len(rows), width)
    finite_N = np.isfinite(found_NW).all(1)
    return found_NW, fits_N & finite_N


def _codes(table: pa.Table, column: str, classes: tuple[str, ...]) -> Codes:
    if column not in table.column_names:
        return np.full(len(table), UNKNOWN, dtype=np.int64)
    places = pc.index_in(table.column(column).cast(pa.string()), pa.array(classes, pa.string()))
    return np.asarray(places.fill_null(UNKNOWN).to_numpy(), dtype=np.int64)


def _column(table: pa.Table, column: str, kind: Any, default: Any) -> NDArray[Any]:
    if column not in table.column_names:
        return np.full(len(table), default)
    values = table.column(column).cast(kind).fill_null(default)
    return np.asarray(values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy())


def _width(manifest: Manifest) -> int:
    """H: numbers of one answer."""
    shape = next(output.shape for output in manifest.outputs if output.name == manifest.answer)
    return shape[1] or 1 if len(shape) > 1 else 1
