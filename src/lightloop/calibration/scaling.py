"""Fitting what turns logits into probabilities. NumPy, SciPy and scikit-learn.

Shapes: N records, K classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from lightloop.calibration.rules import Codes, Floats, Scaling

# In the order of simplicity: of equal ones the first is taken.
SCALINGS = ("none", "temperature", "isotonic")
# Below so many records a fit would say more about them than about the model: one number, or a curve a class.
LEAST = {"none": 0, "temperature": 20, "isotonic": 50}
# Log-odds are fitted to hundredths: a steeper jump than one within a hundredth would make a rounding error visible.
DIGITS = 2
# Of isotonic curves: a probability of exactly 0 would be refuted by one record.
FLOOR = 1e-4
# A temperature beyond these is that of a broken network.
COLDEST, HOTTEST = 0.02, 50.0
# A probability below it costs as much as it, as in `evaluation.metrics`.
SMALLEST = float(np.finfo(np.float32).eps)


def fit_scaling(name: str, logits_NK: Floats, labels_N: Codes) -> Scaling:
    """The scaling of that name that fits the records best.

    Examples:
        >>> logits = np.array([[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 4.0]])
        >>> round(fit_scaling("temperature", logits, np.array([0, 1, 1, 1])).temperature, 2)
        3.64
    """
    match name:
        case "temperature":
            return Scaling(name="temperature", temperature=fit_temperature(logits_NK, labels_N))
        case "isotonic":
            return Scaling(name="isotonic", curves=fit_isotonic(logits_NK, labels_N))
        case _:
            return Scaling()


def fit_temperature(logits_NK: Floats, labels_N: Codes) -> float:
    """The number that the logits have to be divided by for the lowest log loss (arXiv:1706.04599).

    The loss is convex in its inverse, so that a search along one line finds it.
    """
    from scipy.optimize import minimize_scalar

    logits_NK = logits_NK.astype(np.float64)

    def loss(log_temperature: float) -> float:
        log_p_NK = log_softmax(logits_NK / np.exp(log_temperature))
        return float(-log_p_NK[np.arange(len(labels_N)), labels_N].mean())

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-7})
    return float(np.exp(found.x))


def fit_isotonic(logits_NK: Floats, labels_N: Codes) -> tuple[tuple[tuple[float, float], ...], ...]:
    """For each class the rising curve from its log-odds to its share, by scikit-learn's isotonic regression.

    Source: Zadrozny & Elkan 2002, Transforming classifier scores into accurate multiclass probability estimates.
    """
    from sklearn.isotonic import IsotonicRegression

    curves = []
    for k, scores_N in enumerate(np.round(log_odds(logits_NK), DIGITS).T):
        model = IsotonicRegression(y_min=FLOOR, y_max=1.0, out_of_bounds="clip").fit(scores_N, labels_N == k)
        points = zip(model.X_thresholds_.tolist(), model.y_thresholds_.tolist(), strict=True)
        curves.append(tuple((float(x), float(y)) for x, y in points))
    return tuple(curves)


def scaled(scaling: Scaling, logits_NK: Floats) -> NDArray[np.float64]:
    """The probabilities (N, K) of logits; what `tasks.scaling` computes as part of the graph."""
    logits_NK = logits_NK.astype(np.float64)
    if scaling.name != "isotonic":
        return np.asarray(np.exp(log_softmax(logits_NK / scaling.temperature)))
    odds_NK = log_odds(logits_NK)
    columns = [np.interp(odds_NK[:, k], *np.array(curve).T) for k, curve in enumerate(scaling.curves)]
    p_NK = np.stack(columns, axis=1)
    return np.asarray(p_NK / p_NK.sum(1, keepdims=True))


def cross_validated(
    names: Sequence[str], logits_NK: Floats, labels_N: Codes, folds: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """For each scaling the log loss (N,) of each record, by a fit to the other folds."""
    fold_N = fold_numbers(labels_N, folds, seed)
    losses = {name: np.empty(len(labels_N)) for name in names}
    for fold in range(folds):
        inside, outside = np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
        if not len(inside) or not len(outside):
            continue
        for name in names:
            p_NK = scaled(fit_scaling(name, logits_NK[outside], labels_N[outside]), logits_NK[inside])
            losses[name][inside] = log_losses(p_NK, labels_N[inside])
    return losses


def fold_numbers(labels_N: Codes, folds: int, seed: int) -> Codes:
    """The fold (N,) of each record: of each class as many as possible in each.

    Examples:
        >>> np.bincount(fold_numbers(np.array([0] * 6 + [1] * 4), 2, seed=0)).tolist()
        [5, 5]
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels_N))
    by_class = shuffled[np.argsort(labels_N[shuffled], kind="stable")]
    fold_N = np.empty(len(labels_N), dtype=np.int64)
    fold_N[by_class] = np.arange(len(labels_N)) % folds
    return fold_N


def log_losses(p_NK: Floats, labels_N: Codes) -> NDArray[np.float64]:
    """Minus the logarithm of the label's probability (N,)."""
    return np.asarray(-np.log(np.maximum(p_NK[np.arange(len(labels_N)), labels_N], SMALLEST)))


def log_softmax(logits_NK: Floats) -> NDArray[np.float64]:
    """Logarithms of the softmax."""
    centred_NK = logits_NK - logits_NK.max(1, keepdims=True)
    return np.asarray(centred_NK - np.log(np.exp(centred_NK).sum(1, keepdims=True)))


def log_odds(logits_NK: Floats) -> NDArray[np.float64]:
    """Of each class the logarithm of p / (1 - p), which keeps its digits where p is next to 0 or 1.

    Examples:
        >>> log_odds(np.array([[3.0, 1.0]])).tolist()
        [[2.0, -2.0]]
    """
    logits_NK = logits_NK.astype(np.float64)
    # A class at a time: all at once would hold N * K * K numbers.
    classes = range(logits_NK.shape[1])
    rest_NK = np.stack([logsumexp(np.delete(logits_NK, k, axis=1), axis=1) for k in classes], axis=1)
    return np.asarray(logits_NK - rest_NK)
