"""Slices that nobody named: a tree searches one half of the test records for where the model errs, the other confirms.

A slice that was found where it is tested looks worse than it is; half of the records are kept for an honest claim.

Shapes: N records, F traits, H records of a half.
Source: Chung et al. 2019, Slice Finder (arXiv:1807.06068): slices by a decision tree on the errors.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.evaluation.comparison import corrected
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.groups import Records, score_parts
from lightloop.evaluation.traits import Traits, traits_of

Rows = NDArray[np.int64]

DEPTH = 3
MOST = 5  # slices that are put to the test: each makes the others' test harder
# The metric that is the mean of the errors that the tree is about.
ERROR = {"classification": "accuracy", "regression": "mae", "forecasting": "mae"}
ERROR_WORDS = {"accuracy": "share of wrong answers", "mae": "mean absolute error"}


def found_slices(records: Records, questions: pa.Table, names: Collection[str]) -> dict[str, Any]:
    """Slices with more errors than the rest, by an error tree.

    Args:
        records: predictions.
        questions: the same records as they lie on disk.
        names: metrics of the slices.

    Returns:
        `applies`; `error`: what the tree is about; `metric` that the differences are of; `n_search`, `n_confirmation`;
        `slices`, one a leaf with more errors than the rest in the search: its `rules`, `n_search`, `error_search`,
        `rest_search`; and in the confirmation `n`, `metrics`, `difference` with p values (Holm over the slices), and
        whether it is `confirmed`: worse than the rest there as well, at the confidence asked for.
    """
    problem, smallest = records.problem, records.smallest
    metric = ERROR[problem.spec.problem]
    search, confirm = halves(records.draws, records.how.seed)
    if min(len(search), len(confirm)) < 2 * smallest:
        why = f"Half of the {len(records)} test records is too few to find groups of {smallest} in."
        return {"applies": False, "why": why}
    answers_NM = problem.written(records.table, "model")
    errors_N = problem.errors(records.table, answers_NM)
    traits = traits_of(problem.spec, questions, records.table)
    candidates, leaves_N = _candidates(traits, errors_N, search, confirm, smallest)
    names = list(dict.fromkeys([*names, metric]))
    masks = [leaves_N[confirm] == row["leaf"] for row in candidates]
    parts = score_parts(records.only(confirm), answers_NM[confirm], masks, names)
    confidence = records.how.confidence
    differences = corrected(
        [part.difference(metric, confidence) for part in parts], {"p": "holm", "p_worse": "holm_worse"}
    )
    slices = []
    for row, part, difference in zip(candidates, parts, differences, strict=True):
        worse = difference["holm_worse"]
        slices.append(
            {key: value for key, value in row.items() if key != "leaf"}
            | {"metrics": part.metrics(confidence), "difference": difference}
            | {"confirmed": worse is not None and worse < 1 - confidence}
        )
    return {
        "applies": True,
        "error": ERROR_WORDS[metric],
        "metric": metric,
        "n_search": len(search),
        "n_confirmation": len(confirm),
        "slices": slices,
    }


def _candidates(
    traits: Traits, errors_N: NDArray[np.float64], search: Rows, confirm: Rows, smallest: int
) -> tuple[list[dict[str, Any]], Rows]:
    """Leaves with more errors than the rest of the search, the worst first; the leaf (N,) of each record."""
    from sklearn.tree import DecisionTreeRegressor

    values_NF = traits.matrix(search)
    least = min(len(search) // 2, max(smallest, len(search) // 50))
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least, random_state=0)
    tree.fit(values_NF[search], errors_N[search])
    leaves_N = tree.apply(values_NF)
    rows = []
    for leaf in np.unique(leaves_N[search]).tolist():
        inside, n = leaves_N[search] == leaf, int((leaves_N[confirm] == leaf).sum())
        if inside.all() or n < smallest or len(confirm) - n < smallest:
            continue
        error, rest = float(errors_N[search][inside].mean()), float(errors_N[search][~inside].mean())
        if error > rest:
            row = {"rules": rules(tree, leaf, traits), "leaf": leaf, "n_search": int(inside.sum()), "n": n}
            rows.append(row | {"error_search": error, "rest_search": rest})
    return sorted(rows, key=lambda row: (row["rest_search"] - row["error_search"], row["leaf"]))[:MOST], leaves_N


def halves(draws: Draws, seed: int) -> tuple[Rows, Rows]:
    """Row numbers of two halves that share nothing: groups stay whole; of time the earlier and the later one.

    Between halves in time a block is left out, so that no record of one resembles its neighbours in the other.

    Examples:
        >>> [half.tolist() for half in halves(Draws(9, block=2), seed=0)]
        [[0, 1, 2], [5, 6, 7, 8]]
    """
    if draws.groups_N is not None:
        codes = draws.groups_N
        order = np.random.default_rng(seed).permutation(int(codes.max()) + 1)
        taken = np.cumsum(np.bincount(codes)[order]) <= len(codes) / 2
        first_N = np.isin(codes, order[taken])
        return np.flatnonzero(first_N), np.flatnonzero(~first_N)
    if draws.block > 1:
        order = draws.order_N if draws.order_N is not None else np.arange(draws.records)
        middle, gap = draws.records // 2, draws.block // 2
        return np.sort(order[: middle - gap]), np.sort(order[middle + gap :])
    order = np.random.default_rng(seed).permutation(draws.records)
    return np.sort(order[: draws.records // 2]), np.sort(order[draws.records // 2 :])


def rules(tree: Any, leaf: int, traits: Traits) -> list[str]:
    """What leads to a leaf of a scikit-learn tree, in words, one rule a trait."""
    structure = tree.tree_
    above = {}
    for node in range(structure.node_count):
        for child, left in ((structure.children_left[node], True), (structure.children_right[node], False)):
            if child >= 0:
                above[int(child)] = (node, left)
    limits: dict[int, tuple[float, float]] = {}
    node = leaf
    while node in above:
        node, left = above[node]
        trait, threshold = int(structure.feature[node]), float(structure.threshold[node])
        low, high = limits.get(trait, (-np.inf, np.inf))
        limits[trait] = (low, min(high, threshold)) if left else (max(low, threshold), high)
    return [traits.rule(trait, low, high) for trait, (low, high) in sorted(limits.items())]
