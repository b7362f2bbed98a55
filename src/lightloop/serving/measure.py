"""How long a bundle takes for one record, and how large it is."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pyarrow as pa

from lightloop.serving.predictor import Predictor

RECORDS = 25  # asked one by one
WARM = 3  # first answers, which also allocate


def milliseconds_per_record(
    predictor: Predictor, questions: pa.Table, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The median time of an answer to one raw record, preprocessing included, one record at a time.

    Args:
        predictor: of the bundle.
        questions: records, of which the first ones are asked.
        clock: in seconds.
    """
    spent: list[Any] = []
    for number in range(WARM + RECORDS):
        one = questions.slice(number % len(questions), 1)
        start = clock()
        predictor.answers(one)
        spent.append(1000 * (clock() - start))
    return float(median(spent[WARM:]))
