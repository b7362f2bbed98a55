"""Whether the answers still rest on the same parts of a record.

Shapes: N explained answers of the window, M held-out ones, U parts of a record, R permutations.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats

from lightloop.errors import LightloopError, RefusedError
from lightloop.monitoring.against import Against
from lightloop.monitoring.answers import drifted
from lightloop.monitoring.comparing import Compared
from lightloop.monitoring.findings import Finding
from lightloop.serving.attributions import attributions
from lightloop.serving.predictor import Predictor

PERMUTATIONS = 9999
SHOWN = 3


def look(records: pa.Table, predictor: Predictor, against: Against) -> list[Finding]:
    """Explain some records of a window, and compare what their answers rest on with that of held-out records.

    Each part has a share of the sum of all absolute Shapley values. The size is the share that has moved from some
    parts to others; the test permutes which records are the window's.

    Args:
        records: of the window, as they were asked.
        predictor: of the bundle in production.
        against: the reference.

    Returns:
        One finding of the kind `explanation_drift`, uncorrected; none where the bundle can't explain.
    """
    sizes_MU, profiled = against.held.attributions, against.profile.attributions
    if not len(sizes_MU) or profiled is None or len(records) < against.fewest:
        return []
    try:
        explained = attributions(predictor, records, records=len(sizes_MU), seed=against.seed)
    except (RefusedError, LightloopError) as error:
        sentence = f"the log does not hold records as they were asked, so that none is explained: {error}"
        return [Finding(kind="explanation_drift", alarm=False, sentence=sentence)]
    if explained is None or explained.names != profiled.names:
        return []
    found = compare(explained.sizes_NU.astype(np.float64), sizes_MU.astype(np.float64), against.seed)
    shares = [sizes.sum(0) / max(float(sizes.sum()), 1e-300) for sizes in (explained.sizes_NU, sizes_MU)]
    changes = np.argsort(-np.abs(shares[0] - shares[1]), kind="stable")[:SHOWN]
    named = ", ".join(f"{explained.names[u]} ({shares[1][u]:.0%} to {shares[0][u]:.0%})" for u in changes)
    words = f"{found.size:.1%} of what {len(explained.sizes_NU)} answers rest on has moved, most of all of {named}"
    return [drifted("explanation_drift", "", found, against.config.answers.explanation, words)]


def compare(now_NU: NDArray[np.float64], held_MU: NDArray[np.float64], seed: int) -> Compared:
    """How much of what answers rest on has moved, and the p-value of "nothing has", by permuting records.

    Returns:
        `figures` has `rank_correlation`: Spearman's, of the parts' mean sizes; 1 where their order is the same.

    Examples:
        >>> generator = np.random.default_rng(0)
        >>> first, second = generator.random((40, 3)) * [3, 2, 1], generator.random((40, 3)) * [1, 2, 3]
        >>> found = compare(first, second, seed=0)
        >>> found.p < 0.001, round(found.figures["rank_correlation"])
        (True, -1)
    """
    both = np.concatenate([now_NU, held_MU])
    now_N = np.arange(len(both)) < len(now_NU)
    size = float(_moved(now_N[None], both)[0])
    masks = np.random.default_rng(seed).permuted(np.repeat(now_N[None], PERMUTATIONS, axis=0), axis=1)
    p = float((1 + (_moved(masks, both) >= size - 1e-12).sum()) / (1 + PERMUTATIONS))
    means = now_NU.mean(0), held_MU.mean(0)
    varied = now_NU.shape[1] > 1 and all(np.ptp(one) > 0 for one in means)
    ranks = float(stats.spearmanr(*means).statistic) if varied else 1.0
    return Compared(size, p, {"rank_correlation": ranks})


def _moved(now_RN: NDArray[np.bool_], sizes_NU: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the sum of the differences of the parts' shares (R,), for each way to divide the records."""
    now_RU = now_RN.astype(np.float64) @ sizes_NU  # as numbers, which are multiplied many times faster than flags
    then_RU = sizes_NU.sum(0) - now_RU
    sums = [np.maximum(one.sum(1, keepdims=True), 1e-300) for one in (now_RU, then_RU)]
    return np.asarray(np.abs(now_RU / sums[0] - then_RU / sums[1]).sum(1) / 2)
