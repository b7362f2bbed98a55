"""Learning what a bundle tells novel records by: see `serving.novelty`. scikit-learn here, NumPy alone in the service.

Shapes: N records, D numbers of a description.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.covariance import LedoitWolf

from lightloop.data.inputs import Feeds
from lightloop.data.noise import NoiseInput
from lightloop.data.tabular.input import MISSING, TabularInput
from lightloop.data.text.input import PADDING, TextInput
from lightloop.data.text.tokenizer import tokenizer_of
from lightloop.serving.manifest import Detecting
from lightloop.serving.novelty import Describer, Reference, p_values
from lightloop.serving.predictor import Predictor

Arrays = dict[str, NDArray[Any]]
# Training records that the space is learnt of, and those of them that records are compared with.
LEARNT, KEPT = 5000, 1000
# Validation records: p-values are no finer than one in so many.
COMPARED = 2000
LEVEL = 0.05
FEWEST = 20
PARTS = ("input", "answer")
# Categories of a column that are told apart; knots of the ranks of a number.
SHOWN, KNOTS = 8, 64
# A direction in which the training records do not differ counts as if they did by so much of the others' spread.
FLOOR = 1e-3


def fit_reference(
    predictor: Predictor, train: pa.Table, validation: pa.Table, seed: int
) -> tuple[Detecting | None, Arrays]:
    """What the manifest says about novelty, and the arrays of its file.

    Args:
        predictor: of the bundle, whose answers are part of a description.
        train: the training records, the reference.
        validation: records that were not trained on, which p-values are of.
        seed: of the draws among them.

    Returns:
        None and nothing where records are noise, or where there are too few.
    """
    schema = predictor.manifest.input
    if isinstance(schema, NoiseInput) or len(train) < FEWEST or len(validation) < FEWEST:
        return None, {}
    learnt, held = _drawn(train, LEARNT, seed), _drawn(validation, COMPARED, seed)
    feeds = schema.encode(learnt, predictor.files)
    arrays = _scales(schema, feeds, predictor.files)
    describe = Describer(schema, PARTS, arrays)
    x_ND = describe(feeds, predictor.run(feeds))
    arrays |= _space(x_ND)
    # The records were drawn in the order of the file: every so many-th is a draw as well.
    arrays["rows"] = x_ND[:: max(1, -(-len(x_ND) // KEPT))].astype(np.float32)
    arrays["rows"] = Reference(describe, arrays).whitened(arrays["rows"])
    asked = schema.encode(held, predictor.files)
    reference = Reference(describe, arrays)
    arrays["scores"] = np.sort(reference.distances(describe(asked, predictor.run(asked))))
    # Of few records no p-value is as small as the level.
    level = max(LEVEL, float(p_values(np.array([np.inf]), arrays["scores"])[0]))
    return Detecting(parts=PARTS, level=level, n=len(held)), arrays


def _drawn(table: pa.Table, count: int, seed: int) -> pa.Table:
    return table.take(np.sort(np.random.default_rng(seed).permutation(len(table))[:count]))


def _space(x_ND: NDArray[np.float64]) -> Arrays:
    """The centre, and what makes the numbers of a description uncorrelated and of spread 1, with shrinkage."""
    spread_D = x_ND.std(0)
    spread_D = np.maximum(spread_D, FLOOR * max(float(spread_D.mean()), FLOOR))
    shrunk = LedoitWolf().fit((x_ND - x_ND.mean(0)) / spread_D)
    values_D, vectors_DD = np.linalg.eigh(shrunk.covariance_)
    values_D = np.maximum(values_D, FLOOR**2)
    # The sign of an eigenvector is arbitrary; distances do not depend on it.
    signs_D = np.sign(vectors_DD[np.abs(vectors_DD).argmax(0), np.arange(len(values_D))])
    return {"mean": x_ND.mean(0), "whiten": vectors_DD * signs_D / np.sqrt(values_D) / spread_D[:, None]}


def _scales(schema: object, feeds: Feeds, files: Mapping[str, bytes]) -> Arrays:
    """What a description needs to know of the training records."""
    if isinstance(schema, TextInput):
        ids_NT = feeds["ids"]
        size = tokenizer_of(files, schema.tokenizer).get_vocab_size()
        return {"surprise": _surprise(ids_NT[ids_NT != PADDING], max(size, int(ids_NT.max()) + 1))}
    arrays: Arrays = {}
    if isinstance(schema, TabularInput):
        for place, feature in enumerate(schema.features):
            values_N = feeds[feature.name][:, 0]
            if feature.kind == "number":
                arrays[f"knots{place}"], arrays[f"normal{place}"] = _ranks(values_N[np.isfinite(values_N)])
            else:
                known, counts = np.unique(values_N[values_N != MISSING].astype(str), return_counts=True)
                arrays[f"shown{place}"] = known[np.argsort(-counts, kind="stable")][:SHOWN]
    return arrays


def _ranks(values_N: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rising values, and the normal score of the middle rank of each."""
    known, counts = np.unique(values_N, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / max(len(values_N), 1)
    if len(known) > KNOTS:
        places = np.unique(np.searchsorted(middle, np.linspace(0, 1, KNOTS)).clip(0, len(known) - 1))
        known, middle = known[places], middle[places]
    return known.astype(np.float64), norm.ppf(middle)


def _surprise(ids: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """How rare each of the vocabulary's tokens is among the training records': minus the log of its share, plus one."""
    counts_V = np.bincount(ids, minlength=size) + 1.0
    return np.asarray(-np.log(counts_V / counts_V.sum()), dtype=np.float32)
