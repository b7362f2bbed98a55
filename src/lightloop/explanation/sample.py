"""Which test records are explained: as many of each class, half of them mistakes where there are enough.

Shapes: N records.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def draw_sample(table: pa.Table, classes: Sequence[str], records: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of a stratified sample, in the order of `classes`, mistakes first within a class.

    Mistakes are worth more to a reader than one more right answer, so up to half of each class's places go to them.
    A class with fewer records than places gives all that it has.

    Args:
        table: with the columns `label` and `prediction`, a row a record.
        classes: the label names; `records` is divided evenly among them, what is left over goes to the first ones.
        records: how many to draw.
        seed: the same table and seed give the same sample.

    Examples:
        >>> table = pa.table({"label": ["a", "a", "a", "b", "b"], "prediction": ["a", "a", "b", "b", "b"]})
        >>> draw_sample(table, ["a", "b"], 4, seed=0).tolist()[0]
        2
    """
    generator = np.random.default_rng(seed)
    label_N = np.asarray(table.column("label").to_pylist(), dtype=object)
    wrong_N = label_N != np.asarray(table.column("prediction").to_pylist(), dtype=object)
    share, left_over = divmod(records, len(classes))
    chosen: list[NDArray[np.int64]] = []
    for number, name in enumerate(classes):
        places = share + (number < left_over)
        mistakes = generator.permutation(np.flatnonzero((label_N == name) & wrong_N))
        right = generator.permutation(np.flatnonzero((label_N == name) & ~wrong_N))
        # Half for mistakes; more only where the class has too few right answers to fill the rest.
        count = min(len(mistakes), max(places // 2, places - len(right)))
        chosen += [np.sort(mistakes[:count]), np.sort(right[: places - count])]
    return np.concatenate(chosen)
