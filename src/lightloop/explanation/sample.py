"""Which test records are explained: as many of each class, half of them mistakes where there are enough.

Shapes: N records, H numbers of one answer.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def draw_sample(table: pa.Table, classes: Sequence[str], records: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of the records to explain, see `draw_of_classes` and `draw_of_numbers`."""
    if classes:
        return draw_of_classes(table, classes, records, seed)
    return draw_of_numbers(table, records, seed)


def draw_of_numbers(table: pa.Table, records: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of a sample whose answers are numbers: half are those of the largest mean absolute error.

    Args:
        table: with the columns `label` and `prediction`, a number or a list of numbers a record.
        records: how many to draw.
        seed: the same table and seed give the same sample.

    Examples:
        >>> table = pa.table({"label": [1.0, 2.0, 3.0, 4.0], "prediction": [1.0, 2.0, 3.0, 9.0]})
        >>> 3 in draw_of_numbers(table, 2, seed=0)
        True
    """
    answers_NH, labels_NH = (np.array(table.column(name).to_pylist(), dtype=float) for name in ("prediction", "label"))
    error_N = np.abs(answers_NH - labels_NH).reshape(len(table), -1).mean(axis=1)
    worst = np.argsort(-error_N, kind="stable")[: records // 2]
    others = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(len(table)), worst))
    return np.sort(np.concatenate([worst, others[: records - len(worst)]]))


def draw_of_classes(table: pa.Table, classes: Sequence[str], records: int, seed: int) -> NDArray[np.int64]:
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
        >>> draw_of_classes(table, ["a", "b"], 4, seed=0).tolist()[0]
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
