"""Whether the bundle answers as the trained network did.

Shapes: N records, M numbers of an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lightloop.errors import LightloopError
from lightloop.evaluation.problem import Floats, Problem


@dataclass(frozen=True)
class Parity:
    """How far two sets of answers to the same records lie apart.

    Attributes:
        n: records compared.
        max_difference: the largest absolute difference of a number of an answer: a probability, or a number in the
            target's unit divided by the largest answer's size.
        different_predictions: records whose answer differs for who reads it.
    """

    n: int
    max_difference: float
    different_predictions: int


def measure_parity(problem: Problem, ids: Sequence[str], answers_NM: Floats, predictions: pa.Table) -> Parity:
    """Compare a bundle's answers with those that the evaluate stage wrote down.

    Args:
        problem: what the answers are.
        ids: of the records that the bundle answered.
        answers_NM: the bundle's answers.
        predictions: `predictions.parquet`, of the same records.

    Raises:
        LightloopError: the records are others, or an answer is not a number.
    """
    if predictions.column("id").to_pylist() != list(ids):
        raise LightloopError(
            f"predictions.parquet holds {len(predictions)} records, which are not the {len(ids)} test records in "
            "their order: run the evaluate stage again"
        )
    if not len(ids):
        raise LightloopError("the test split is empty, so there is nothing to compare the bundle on: give it records")
    lost = np.flatnonzero(~np.isfinite(answers_NM).reshape(len(ids), -1).all(1))
    if len(lost):
        raise LightloopError(
            f"the exported graph answers {ids[lost[0]]} (and {len(lost) - 1} other records) with what is not a "
            "number: train again with a lower optimizer.lr"
        )
    expected_NM = problem.written(predictions, "model")
    # Probabilities are compared as they are; other numbers in proportion to their size.
    size = max(1.0, float(np.abs(expected_NM).max()))
    return Parity(
        n=len(ids),
        max_difference=float(np.abs(answers_NM - expected_NM).max()) / size,
        different_predictions=problem.different(answers_NM, expected_NM, predictions),
    )
