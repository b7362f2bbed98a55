"""Which test records are explained: mistakes, doubtful and sure answers, as many of each class.

Shapes: N records, K classes, H numbers of one answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# Why a record was drawn: it was answered wrongly; rightly, but hardly so; rightly. Of numbers: their error is among the
# largest; among the smallest (correct); or neither.
Kind = Literal["wrong", "borderline", "correct", "typical"]


@dataclass(frozen=True)
class Sample:
    """Which records are explained.

    Attributes:
        rows: their row numbers.
        kinds: why each one was drawn.
    """

    rows: NDArray[np.int64]
    kinds: tuple[Kind, ...]


def draw_sample(table: pa.Table, classes: Sequence[str], records: int, seed: int) -> Sample:
    """The records to explain, see `draw_of_classes` and `draw_of_numbers`."""
    if classes:
        return draw_of_classes(table, classes, records, seed)
    return draw_of_numbers(table, records, seed)


def draw_of_numbers(table: pa.Table, records: int, seed: int) -> Sample:
    """A sample whose answers are numbers: half of the largest mean absolute error, a quarter of the smallest.

    Args:
        table: with the columns `label` and `prediction`, a number or a list of numbers a record.
        records: how many to draw.
        seed: the same table and seed give the same sample.

    Examples:
        >>> table = pa.table({"label": [1.0, 2.0, 3.0, 4.0], "prediction": [1.0, 2.5, 3.5, 9.0]})
        >>> draw_of_numbers(table, 3, seed=0).kinds[-1]
        'wrong'
    """
    answers_NH, labels_NH = (np.array(table.column(name).to_pylist(), dtype=float) for name in ("prediction", "label"))
    error_N = np.abs(answers_NH - labels_NH).reshape(len(table), -1).mean(axis=1)
    order_N = np.argsort(-error_N, kind="stable")
    records = min(records, len(table))
    worst, best = order_N[: records // 2], order_N[len(table) - records // 4 :]
    rest = order_N[records // 2 : len(table) - records // 4]
    others = np.random.default_rng(seed).permutation(np.sort(rest))[: records - len(worst) - len(best)]
    drawn: list[tuple[int, Kind]] = [
        *((int(row), "wrong") for row in worst),
        *((int(row), "correct") for row in best),
        *((int(row), "typical") for row in others),
    ]
    return _sample(sorted(drawn))


def draw_of_classes(table: pa.Table, classes: Sequence[str], records: int, seed: int) -> Sample:
    """A stratified sample, in the order of `classes`; within a class mistakes first, then doubtful, then right answers.

    Mistakes are worth more to a reader than one more right answer, so up to half of each class's places go to them, and
    half of what is left to the right answers of the smallest margin: the probability of the answer less the largest
    other one. A class with fewer records than places gives all that it has.

    Args:
        table: with the columns `label`, `prediction` and `probabilities` (in the order of `classes`), a row a record.
        classes: the label names; `records` is divided evenly among them, what is left over goes to the first ones.
        records: how many to draw.
        seed: the same table and seed give the same sample.

    Examples:
        >>> p = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]]
        >>> columns = {"label": list("aaabb"), "prediction": list("aabbb"), "probabilities": p}
        >>> draw_of_classes(pa.table(columns), ["a", "b"], 5, seed=0).kinds
        ('wrong', 'borderline', 'correct', 'borderline', 'correct')
    """
    generator = np.random.default_rng(seed)
    label_N = np.asarray(table.column("label").to_pylist(), dtype=object)
    wrong_N = label_N != np.asarray(table.column("prediction").to_pylist(), dtype=object)
    margin_N = margins(table, classes)
    share, left_over = divmod(records, len(classes))
    drawn: list[tuple[int, Kind]] = []
    for number, name in enumerate(classes):
        places = share + (number < left_over)
        mistakes = generator.permutation(np.flatnonzero((label_N == name) & wrong_N))
        right = generator.permutation(np.flatnonzero((label_N == name) & ~wrong_N))
        # Half for mistakes; more only where the class has too few right answers to fill the rest.
        count = min(len(mistakes), max(places // 2, places - len(right)))
        rest = min(places - count, len(right))
        doubtful = right[np.argsort(margin_N[right], kind="stable")][: rest // 2]
        sure = right[~np.isin(right, doubtful)][: rest - len(doubtful)]
        drawn += [(int(row), "wrong") for row in np.sort(mistakes[:count])]
        drawn += [(int(row), "borderline") for row in np.sort(doubtful)]
        drawn += [(int(row), "correct") for row in np.sort(sure)]
    return _sample(drawn)


def margins(table: pa.Table, classes: Sequence[str]) -> NDArray[np.float64]:
    """By how much the probability of each record's answer is above the largest other one, (N,); below 0 where not."""
    p_NK = np.array(table.column("probabilities").to_pylist(), dtype=float)
    code = {name: place for place, name in enumerate(classes)}
    rows, codes_N = np.arange(len(table)), np.array([code[name] for name in table.column("prediction").to_pylist()])
    others_NK = p_NK.copy()
    others_NK[rows, codes_N] = -np.inf
    return np.asarray(p_NK[rows, codes_N] - others_NK.max(axis=1))


def _sample(drawn: Sequence[tuple[int, Kind]]) -> Sample:
    return Sample(np.array([row for row, _ in drawn], dtype=np.int64), tuple(kind for _, kind in drawn))
