"""Records that came more than once in a window count once.

Every test takes the records of a window to be drawn independently of each other. Retries, clients that ask again and
replayed logs are no such records: a window of a hundred records that came eight times each is as sure of what those
happen to be like as one of eight hundred, and alarms without any change. So copies are put together first, and near
copies, whose numbers differ a little. What is alike by nature (rows of a few categories) is no copy: how near records
of different origin lie to each other, the held-out records of the bundle say.

Shapes: N records of the window, R held-out records, D numbers of a description.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lightloop.data.image.input import ImageInput
from lightloop.data.tabular.input import TabularInput
from lightloop.errors import RefusedError
from lightloop.monitoring.content import content_keys
from lightloop.monitoring.findings import Finding
from lightloop.monitoring.schema import wanted
from lightloop.monitoring.standing import Standing
from lightloop.monitoring.window import Window
from lightloop.serving.described import AnyInput, image_columns
from lightloop.serving.novelty import Describer

# With more natural copies than this share, to be expected among so many records, none is taken for a repeat.
NATURAL: Final = 0.1
# Near copies lie within this part of the distance that so few of the held-out records have to their nearest.
NEAR_PART: Final = 0.5
NEAR: Final = 0.01
LEAST: Final = 0.05  # share of copies; fewer are left as they are
FEWEST: Final = 30  # held-out records that say what is natural
MOST: Final = 4000  # records that near copies are looked for among
ROWS: Final = 1000  # whose distances are held at once
ROUNDING: Final = 1e-12
SEED: Final = 0

Described = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Once:
    """A window whose records came once.

    Attributes:
        window: the same without copies: of each group the latest whose truth is known, else the latest.
        asked: records that the window had.
    """

    window: Window
    asked: int

    def finding(self, fewest: int) -> Finding | None:
        """What is said of copies; nothing where there are none. An alarm where too few records are left to judge by."""
        kept = len(self.window.predictions)
        if kept == self.asked:
            return None
        few = kept < fewest <= self.asked
        more = f", too few to judge by ({fewest} are needed): something asks the same again and again" if few else ""
        return Finding(
            kind="volume",
            name="repeats",
            alarm=few,
            sentence=f"{self.asked} records are {kept} different ones{more or '; each of them counts once'}.",
            value=1 - kept / self.asked,
            figures={"asked": float(self.asked), "different": float(kept)},
        )


def once(window: Window, standing: Standing, withheld: Collection[str] = ()) -> Once:
    """A window without copies of its own records. Of more than `MOST` different ones so many are drawn to look for near
    copies, and where there are some these alone go on.

    Args:
        window: of the log, of the records that the bundle answered.
        standing: the bundle; where it keeps no description of held-out records, nobody knows what is natural, and the
            window stays as it is. So it does with forecasts, whose records overlap by nature.
        withheld: columns whose values the log does not keep; without them nobody can tell copies.
    """
    asked, manifest = len(window.predictions), standing.predictor.manifest
    names, whole_N = _named(window.records, manifest.input), np.ones(asked, dtype=np.bool_)
    if not names or asked < 2 or manifest.problem == "forecasting" or set(names) & set(withheld):
        return Once(window, asked)
    if not set(names) <= set(window.records.column_names) or not isinstance(manifest.input, TabularInput):
        # Of the only column of a text nothing is left where the log does not keep it.
        for name in names:
            known = name in window.records.column_names
            whole_N &= _flags(window.records.column(name).is_valid()) if known else False
    rows = np.flatnonzero(whole_N)
    nearest_R = _nearest(standing.held.described)
    if len(rows) < 2 or nearest_R is None:
        return Once(window, asked)
    natural = float((nearest_R == 0).mean()) * len(rows) / len(nearest_R)
    if natural > NATURAL:
        return Once(window, asked)
    predictions, records = window.predictions.take(rows), window.records.take(rows)
    told = pc.or_(predictions.column("truth").is_valid(), predictions.column("truth_values").is_valid())
    kept = _different(records, names, _flags(told), standing, within=NEAR_PART * _low(nearest_R))
    # Few copies may be natural and weigh little; held-out records keep theirs, so that a window must keep its own.
    if len(kept) >= (1 - LEAST - 2 * natural) * len(rows):
        return Once(window, asked)
    rows = np.sort(np.concatenate([np.flatnonzero(~whole_N), rows[kept]]))
    taken = replace(window, predictions=window.predictions.take(rows), records=window.records.take(rows))
    return Once(taken, asked)


def _named(records: pa.Table, asked: AnyInput) -> list[str]:
    """The columns by which copies are told: those of the model, or the numbers that the log keeps instead of images."""
    if isinstance(asked, ImageInput) and "image" not in records.column_names:
        return list(image_columns(asked))
    return list(wanted(asked))


def _flags(found: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(found.to_numpy(), dtype=np.bool_)


def _nearest(held_RD: Described) -> NDArray[np.float64] | None:
    """How far each held-out record is from its nearest other one, (R,)."""
    if len(held_RD) < FEWEST or not held_RD.shape[1]:
        return None
    squares_RR = np.concatenate(list(_squares(held_RD.astype(np.float64))))
    np.fill_diagonal(squares_RR, np.inf)
    return np.asarray(np.sqrt(squares_RR.min(1)), dtype=np.float64)


def _low(nearest_R: NDArray[np.float64]) -> float:
    return float(np.quantile(nearest_R, NEAR))


def _different(
    records: pa.Table, names: list[str], told_N: NDArray[np.bool_], standing: Standing, *, within: float
) -> NDArray[np.int64]:
    """The rows of records that are no copy of another one, in order; see `once`."""
    _, group_N = np.unique(content_keys(records, names), return_inverse=True)
    rows = _latest(group_N, told_N)
    some = rows
    if len(rows) > MOST:
        some = np.sort(np.random.default_rng(SEED).permutation(rows)[:MOST])
    x_ND = _described(records.take(some), standing)
    if x_ND is None:
        return rows
    kept = _latest(near_copies(x_ND, within), told_N[some])
    return some[kept] if len(kept) < (1 - LEAST) * len(some) else rows


def near_copies(x_ND: Described, within: float) -> NDArray[np.int64]:
    """The group (N,) of each record: those that a chain of others joins, each step at most `within` long.

    Examples:
        >>> near_copies(np.float32([[0.0], [0.1], [5.0], [0.2]]), 0.15).tolist()
        [0, 0, 1, 0]
    """
    group_N, left_ND = np.arange(len(x_ND)), x_ND.astype(np.float64)
    while len(left_ND) > 1:
        # Each is joined to the first one that is near it, which joins all of a group in a few rounds.
        first_N = np.concatenate([(part <= within**2).argmax(1) for part in _squares(left_ND)])
        links = coo_array((np.ones(len(first_N)), (np.arange(len(first_N)), first_N)), shape=(len(first_N),) * 2)
        count, part_N = connected_components(links, directed=False)
        group_N = part_N[group_N]
        if count == len(left_ND):
            break
        left_ND = left_ND[np.unique(part_N, return_index=True)[1]]
    return np.asarray(group_N, dtype=np.int64)


def _squares(x_ND: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The squares (n, N) of the distances from all to all, some rows at a time; 0 from each to itself."""
    x_ND = x_ND - x_ND.mean(0)
    lengths_N = np.square(x_ND).sum(1)
    for start in range(0, len(x_ND), ROWS):
        rows_n = np.arange(start, min(start + ROWS, len(x_ND)))
        squares_nN = lengths_N[rows_n, None] + lengths_N - 2 * x_ND[rows_n] @ x_ND.T
        squares_nN[np.arange(len(rows_n)), rows_n] = 0.0
        # What is the same differs by rounding alone.
        yield np.where(squares_nN < ROUNDING * (1 + lengths_N), 0.0, squares_nN)


def _latest(group_N: NDArray[np.int64], told_N: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of each group the latest row whose truth is known, else the latest, in order."""
    order = np.lexsort((np.arange(len(group_N)), told_N, group_N))
    last = np.flatnonzero(np.diff(group_N[order], append=-1))
    return np.sort(order[last])


def _described(records: pa.Table, standing: Standing) -> Described | None:
    """The records as the bundle describes its held-out ones; None where the log does not keep them whole."""
    predictor = standing.predictor
    if predictor.reference is None:
        return None
    describe = Describer(predictor.manifest.input, ("input",), predictor.reference.arrays)
    try:
        encoded = predictor.manifest.input.encode(records, predictor.files)
        return describe(encoded, {}).astype(np.float32)
    except (RefusedError, pa.ArrowInvalid, KeyError):  # said by the looks at the schema
        return None
