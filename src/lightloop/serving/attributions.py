"""What a bundle's answers rest on, over many records: the size of each part's Shapley value, record by record.

Shapes: N records, U units (parts of a record).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.serving.explainer import explain
from lightloop.serving.predictor import Predictor

# Records that are explained, and how often the graph is asked about each: enough to tell which parts matter on average,
# at some seconds in all.
RECORDS = 64
EVALUATIONS = {"columns": 1024, "pixels": 256, "tokens": 256, "steps": 256}
# Parts of texts have no names that two texts share: the largest values are compared, from the largest down.
LARGEST = 12


@dataclass(frozen=True)
class Attributions:
    """What answers rested on.

    Attributes:
        names: of the U units: columns, blocks of pixels, steps back from the last; of texts the rank of the value.
        sizes_NU: |Shapley value| in the unit of the score, float32.
    """

    names: tuple[str, ...]
    sizes_NU: NDArray[np.float32]


def attributions(
    predictor: Predictor,
    table: pa.Table,
    *,
    records: int = RECORDS,
    evaluations: int | None = None,
    seed: int = 0,
) -> Attributions | None:
    """What the answers to some records of a table rest on; the same call gives the same values.

        attributions(Predictor.load(Path("artifacts/bundle")), table)

    Args:
        predictor: of a bundle.
        table: raw records, as `Predictor.answers` takes them.
        records: so many of them at most, drawn at random.
        evaluations: how often the graph is asked about one; None stands for `EVALUATIONS`.
        seed: of the draws.

    Returns:
        None where the bundle does not explain, or there are no records.

    Raises:
        RefusedError: a record is not as the manifest's input says.
    """
    explaining = predictor.manifest.explaining
    if explaining is None or not len(table):
        return None
    some = table.take(np.sort(np.random.default_rng(seed).permutation(len(table))[:records]))
    asked = evaluations or EVALUATIONS[explaining.noun]
    rows = [explain(predictor, some.slice(row, 1), evaluations=asked, seed=seed) for row in range(len(some))]
    sizes = [np.abs(np.array(row.values, dtype=np.float32)) for row in rows]
    if explaining.noun == "tokens":
        return Attributions(tuple(f"rank {place + 1}" for place in range(LARGEST)), _ranked(sizes))
    return Attributions(rows[0].names, np.stack(sizes))


def _ranked(sizes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The largest values (N, LARGEST) of each, from the largest down; 0 where there are fewer.

    Examples:
        >>> _ranked([np.array([1, 3, 2], np.float32)])[0, :4].tolist()
        [3.0, 2.0, 1.0, 0.0]
    """
    ranked_NU = np.zeros((len(sizes), LARGEST), dtype=np.float32)
    for row, values_U in enumerate(sizes):
        largest = np.sort(values_U)[::-1][:LARGEST]
        ranked_NU[row, : len(largest)] = largest
    return ranked_NU
