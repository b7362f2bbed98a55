"""Whether records as a whole are as they were: a classifier is taught to tell those of a window from held-out ones.

What no feature shows by itself, such as two columns that no longer go together, is found this way. Half of the records
teach, the other half judges, and the other way round: on records that taught nothing the area under the curve has the
null distribution of Mann and Whitney, exact whatever the classifier (Lopez-Paz & Oquab 2017, arXiv:1610.06545; Rabanser
et al. 2019, arXiv:1810.11953).

Shapes: N records of the window, R held-out records, D numbers of a description.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.ensemble import HistGradientBoostingClassifier

from lightloop.config.monitoring import MonitorConfig
from lightloop.monitoring.findings import Finding

# Records of a window that are told apart, at most: as many as the bundle keeps.
MOST = 1000
# With fewer in each half nothing is learnt.
FEWEST = 15


def look(now_ND: NDArray[np.float32], held_RD: NDArray[np.float32], config: MonitorConfig) -> list[Finding]:
    """One finding: by how much the window's records can be told from the held-out ones. A candidate: `p_value` is raw.

    Args:
        now_ND: of the window, as `serving.novelty.Describer` describes inputs.
        held_RD: `HeldOut.described`.
        config: read is `auc`.

    Returns:
        None where there are too few records.
    """
    if min(len(now_ND), len(held_RD)) < 2 * FEWEST or not held_RD.shape[1]:
        return []
    auc, p = told_apart(now_ND, held_RD)
    return [
        Finding(
            kind="multivariate_drift",
            alarm=auc >= config.auc,
            sentence=(
                f"A classifier tells the window's records from held-out ones with an area under the curve of {auc:.3f} "
                f"(0.5 is by nothing, the limit {config.auc:g})."
            ),
            value=auc,
            limit=config.auc,
            p_value=p,
        )
    ]


def told_apart(now_ND: NDArray[np.float32], held_RD: NDArray[np.float32], seed: int = 0) -> tuple[float, float]:
    """The mean area under the curve of both halves, and the p-value of "nothing tells them apart".

    The p-value is twice the smaller one of the halves: right however both depend on each other.

    Args:
        now_ND: of the window; at most `MOST` are drawn.
        held_RD: held-out records.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    now, held = (x[generator.permutation(len(x))[:MOST]] for x in (now_ND, held_RD))
    areas, ps = [], []
    for first in (0, 1):
        taught = [x[first::2] for x in (now, held)]
        judged = [x[1 - first :: 2] for x in (now, held)]
        model = HistGradientBoostingClassifier(
            max_iter=60,
            max_leaf_nodes=8,
            min_samples_leaf=10,
            learning_rate=0.1,
            early_stopping=False,
            random_state=seed,
        )
        model.fit(np.concatenate(taught), np.repeat([1, 0], [len(x) for x in taught]))
        scores = [model.predict_proba(x)[:, 1] for x in judged]
        # Scores of a tree have ties: the approximation corrects its variance for them.
        found = mannwhitneyu(scores[0], scores[1], alternative="greater", method="asymptotic")
        areas.append(float(found.statistic) / (len(scores[0]) * len(scores[1])))
        ps.append(float(found.pvalue))
    return float(np.mean(areas)), min(1.0, 2 * min(ps))
