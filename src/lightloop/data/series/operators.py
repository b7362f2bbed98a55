"""Smoothing, detrending and differencing of a window as matrices: each is linear, so that the graph needs a product.

Each matrix is what the library's own function makes of the identity.

Shapes: T steps of a window, H steps of the horizon.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightloop.config.series import SeriesPreprocess

Matrix = NDArray[np.float64]

SMOOTHERS: dict[str, Callable[[Matrix, int], Matrix]] = {
    "none": lambda identity_TT, _: identity_TT,
    "moving_average": lambda identity_TT, span: (
        pd.DataFrame(identity_TT).rolling(span, min_periods=1).mean().to_numpy()
    ),
    "exponential": lambda identity_TT, span: pd.DataFrame(identity_TT).ewm(span=span).mean().to_numpy(),
}


@dataclass(frozen=True)
class Operators:
    """What becomes of a window x_T and of a network's outputs o_H.

    The network sees `inner_TT @ x_T`; the forecast is `ahead_HT @ x_T + outer_HH @ o_H`.
    """

    inner_TT: Matrix
    ahead_HT: Matrix
    outer_HH: Matrix


def operators(settings: SeriesPreprocess, window: int, horizon: int) -> Operators:
    """The matrices of a preprocessing.

    Examples:
        >>> found = operators(SeriesPreprocess(name="series", detrend="last_value"), window=3, horizon=2)
        >>> (found.inner_TT @ [1.0, 2.0, 4.0]).tolist(), (found.ahead_HT @ [1.0, 2.0, 4.0]).tolist()
        ([-3.0, -2.0, 0.0], [4.0, 4.0])
    """
    smooth_TT = SMOOTHERS[settings.smoothing](np.eye(window), settings.span)
    within_TT, beyond_HT = trend(settings.detrend, window, horizon)
    flat_TT = (np.eye(window) - within_TT) @ smooth_TT
    ahead_HT = beyond_HT @ smooth_TT + continuation(settings.difference, window, horizon) @ flat_TT
    outer_HH = np.linalg.matrix_power(np.tri(horizon), settings.difference)
    return Operators(differences(settings.difference, window) @ flat_TT, ahead_HT, outer_HH)


def trend(name: str, window: int, horizon: int) -> tuple[Matrix, Matrix]:
    """The trend of a window, (T, T), and its continuation, (H, T)."""
    if name == "none" or (name == "linear" and window < 2):
        return np.zeros((window, window)), np.zeros((horizon, window))
    if name == "last_value":
        last_1T = np.eye(window)[-1:]
        return np.repeat(last_1T, window, 0), np.repeat(last_1T, horizon, 0)
    steps = np.arange(window + horizon)
    line = np.polyfit(steps[:window], np.eye(window), 1)  # slope and height, (2, T)
    both = steps[:, None] * line[0] + line[1]
    return both[:window], both[window:]


def differences(order: int, window: int) -> Matrix:
    """Each step minus the one before, `order` times, (T, T); steps without one before become 0."""
    matrix = np.zeros((window, window))
    if order < window:
        matrix[order:] = np.diff(np.eye(window), n=order, axis=0)
    return matrix


def continuation(order: int, window: int, horizon: int) -> Matrix:
    """What follows a window whose `order`-th differences are 0 from then on, (H, T)."""
    matrix = np.zeros((horizon, window))
    if order >= 1:
        matrix[:, -1] = 1
    if order == 2 and window > 1:
        ahead_H = np.arange(1, horizon + 1)
        matrix[:, -1] += ahead_H
        matrix[:, -2] -= ahead_H
    return matrix
