"""Choosing the rule that turns probabilities into an answer, and the limit below which none is given. NumPy.

Shapes: N records, K classes, C candidates.
"""

from collections.abc import Sequence

import numpy as np

from lightloop.calibration.rules import Abstain, Codes, Decision, Floats, decided_probability
from lightloop.config.calibration import AnyDecision, Costs, Threshold

# An accuracy of fewer answers than these is none.
LEAST_ANSWERED = 20


def fit_decision(config: AnyDecision, p_NK: Floats, labels_N: Codes, classes: Sequence[str]) -> Decision:
    """The rule that the config asks for."""
    match config:
        case Threshold():
            positive = classes.index(config.positive) if config.positive else len(classes) - 1
            threshold = best_threshold(p_NK[:, positive], labels_N == positive, config.metric)
            return Decision(name="threshold", positive=positive, threshold=threshold)
        case Costs():
            return Decision(name="costs", costs=cost_matrix(config, classes))
        case _:
            return Decision()


def cost_matrix(config: Costs, classes: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Costs (K, K), a row an actual class, a column an answer.

    Examples:
        >>> cost_matrix(Costs(name="costs", costs={"ham": {"spam": 20}}), ["ham", "spam"])
        ((0.0, 20.0), (1.0, 0.0))
    """
    return tuple(
        tuple(float(config.costs.get(actual, {}).get(answer, actual != answer)) for answer in classes)
        for actual in classes
    )


def best_threshold(p_N: Floats, positive_N: np.ndarray[tuple[int], np.dtype[np.bool_]], metric: str) -> float:
    """The threshold on a probability with the best metric; of equally good ones the nearest to a half.

    Candidates lie in the middle between neighbouring probabilities, beside a half itself.

    Examples:
        >>> best_threshold(np.array([0.1, 0.2, 0.3, 0.9]), np.array([False, True, True, True]), "accuracy")
        0.15000000000000002
    """
    p_N = p_N.astype(np.float64)
    distinct = np.unique(p_N)
    candidates_C = np.concatenate([(distinct[:-1] + distinct[1:]) / 2, [0.5]])
    order = np.argsort(p_N, kind="stable")
    below_C = np.searchsorted(p_N[order], candidates_C, side="left")
    positives_upto = np.concatenate([[0], np.cumsum(positive_N[order])])
    positives, records = int(positive_N.sum()), len(p_N)
    hits_C = positives - positives_upto[below_C]
    values_C = binary_metric(metric, hits_C, records - below_C, positives, records)
    best_C = np.flatnonzero(values_C >= values_C.max() - 1e-12)
    return float(candidates_C[best_C[np.argmin(np.abs(candidates_C[best_C] - 0.5))]])


def binary_metric(metric: str, hits_C: Codes, called_C: Codes, positives: int, records: int) -> Floats:
    """A metric of two classes from counts: 0 where a ratio is of nothing, so that such a rule is never chosen.

    Args:
        metric: of `config.calibration.Threshold`.
        hits_C: positives that were called so.
        called_C: records that were called positive.
        positives: records that are.
        records: all.

    Examples:
        >>> binary_metric("f1", np.array([1]), np.array([2]), 1, 4).round(3).tolist()
        [0.667]
    """
    negatives = records - positives
    rejected_C = negatives - (called_C - hits_C)
    match metric:
        case "accuracy":
            return np.asarray((hits_C + rejected_C) / records)
        case "balanced_accuracy":
            return np.asarray((hits_C / max(positives, 1) + rejected_C / max(negatives, 1)) / 2)
        case "f1":
            return _f1(hits_C, called_C, positives)
        case _:
            return np.asarray((_f1(hits_C, called_C, positives) + _f1(rejected_C, records - called_C, negatives)) / 2)


def _f1(hits_C: Codes, called_C: Codes, actual: int) -> Floats:
    return np.asarray(2 * hits_C / np.maximum(called_C + actual, 1))


def fit_limit(p_NK: Floats, labels_N: Codes, decision: Decision, accuracy: float) -> Abstain | None:
    """The lowest limit on the answer's probability from which on the answers are as accurate as asked for.

    Lowest, so that the largest part is answered. None where no limit is enough, for at least LEAST_ANSWERED answers.

    Examples:
        >>> p = np.array([[0.9, 0.1]] * 30 + [[0.6, 0.4]] * 30)
        >>> fit_limit(p, np.array([0] * 45 + [1] * 15), Decision(), 0.9).limit
        0.9
    """
    codes_N = decision.decide(p_NK)
    confidence_N = decided_probability(p_NK, codes_N)
    order = np.argsort(-confidence_N, kind="stable")
    sorted_N, right_N = confidence_N[order], (codes_N == labels_N)[order]
    reached_N = np.cumsum(right_N) / np.arange(1, len(order) + 1) >= accuracy
    # Records of equal confidence are answered together or not at all.
    last_N = np.append(sorted_N[1:] != sorted_N[:-1], True)
    enough = np.flatnonzero(reached_N & last_N & (np.arange(1, len(order) + 1) >= LEAST_ANSWERED))
    return Abstain(name="accuracy", limit=float(sorted_N[enough[-1]])) if len(enough) else None
