"""Whether the bundle answers as the trained network did.

Shapes: N records, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.errors import LightloopError


@dataclass(frozen=True)
class Parity:
    """How far two sets of answers to the same records lie apart.

    Attributes:
        n: records compared.
        max_probability_difference: the largest absolute difference of a probability, 0 to 1.
        different_predictions: records whose most probable class differs.
    """

    n: int
    max_probability_difference: float
    different_predictions: int


def measure_parity(
    ids: Sequence[str], classes: Sequence[str], probabilities_NK: NDArray[np.float32], predictions: pa.Table
) -> Parity:
    """Compare a bundle's answers with those that the evaluate stage wrote down.

    Args:
        ids: of the records that the bundle answered.
        classes: label names in the order of the probabilities.
        probabilities_NK: the bundle's answers (N, K), float32.
        predictions: `predictions.parquet`: `id`, `prediction` and `probabilities` of the same records.

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
    lost = np.flatnonzero(~np.isfinite(probabilities_NK).all(1))
    if len(lost):
        raise LightloopError(
            f"the exported graph answers {ids[lost[0]]} (and {len(lost) - 1} other records) with what is not a "
            "number: train again with a lower optimizer.lr"
        )
    expected_NK = np.array(predictions.column("probabilities").to_pylist(), dtype=np.float64)
    labels = np.array(classes)[probabilities_NK.argmax(1)]
    return Parity(
        n=len(ids),
        max_probability_difference=float(np.abs(probabilities_NK - expected_NK).max()),
        different_predictions=int((labels != np.array(predictions.column("prediction").to_pylist())).sum()),
    )
