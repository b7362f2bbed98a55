"""Metrics by torchmetrics, and how sure they are by the bootstrap.

Shapes: N records, R resamples.
Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy
from torchmetrics.functional.classification import binary_accuracy, binary_auroc

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


def _log_loss(probabilities_N: Tensor, label_N: Tensor) -> Tensor:
    return binary_cross_entropy(probabilities_N.double().clamp(1e-7, 1 - 1e-7), label_N.double())


METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "accuracy": binary_accuracy,
    "auroc": binary_auroc,
    "log_loss": _log_loss,
}
LESS_IS_BETTER = frozenset({"log_loss"})


def score(name: str, probabilities_N: Floats, label_N: Labels) -> float:
    """One metric of probabilities of the positive class.

    Examples:
        >>> score("accuracy", np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    # Copies: arrays of pandas may be read-only, which tensors can't be.
    return float(METRICS[name](torch.tensor(probabilities_N, dtype=torch.float64), torch.tensor(label_N)))


def better(name: str, value: float) -> float:
    """A value or difference turned so that more is better."""
    return -value if name in LESS_IS_BETTER else value


def draws(records: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Which records each resample holds, (R, N)."""
    return np.random.default_rng(seed).integers(0, records, (resamples, records))


def interval(
    name: str, probabilities_N: Floats, label_N: Labels, drawn_RN: NDArray[np.int64], confidence: float
) -> dict[str, float]:
    """`value`, and `low` and `high` of its two-sided percentile interval."""
    values_R = [score(name, probabilities_N[rows], label_N[rows]) for rows in drawn_RN if 0 < label_N[rows].mean() < 1]
    low, high = np.quantile(values_R, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"value": score(name, probabilities_N, label_N), "low": float(low), "high": float(high)}


def difference(
    name: str, ours_N: Floats, theirs_N: Floats, label_N: Labels, drawn_RN: NDArray[np.int64], confidence: float
) -> dict[str, float]:
    """How much better `ours` is than `theirs` on the same records, with one-sided bounds `low` and `high`.

    "Not worse by more than a margin" is `low > -margin`.
    """
    values_R = [
        better(name, score(name, ours_N[rows], label_N[rows]) - score(name, theirs_N[rows], label_N[rows]))
        for rows in drawn_RN
        if 0 < label_N[rows].mean() < 1
    ]
    low, high = np.quantile(values_R, [1 - confidence, confidence])
    value = better(name, score(name, ours_N, label_N) - score(name, theirs_N, label_N))
    return {"value": value, "low": float(low), "high": float(high)}
