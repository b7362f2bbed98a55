"""The simpler model for forecasts: what was one season earlier, plus the mean change over a season.

Shapes: N records, W steps of a window, H steps of the horizon.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import Config
from lightloop.config.series import SeriesSpec
from lightloop.data.splits import SplitName
from lightloop.evaluation.evidence import matrix

Floats = NDArray[np.float64]

TITLE = "seasonal naive with drift"


def answers(config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table) -> dict[str, NDArray[Any]]:
    """See `evaluation.baseline.baseline_answers`."""
    spec = config.data
    assert isinstance(spec, SeriesSpec)
    # A window that holds no whole season leaves the last value and its drift.
    season = spec.season if spec.season <= spec.window else 1
    train = splits["train"]
    drift = mean_change(matrix(train, "series"), matrix(train, "label"), season)
    forecast_NH = seasonal_naive(matrix(questions, "series"), spec.horizon, season, drift)
    return {"prediction": forecast_NH.astype(np.float32)}


def mean_change(known_NW: Floats, following_NH: Floats, season: int) -> float:
    """The mean change over a season, of the first step after each window; 0 where none can be told.

    Examples:
        >>> mean_change(np.array([[1.0, 5.0], [5.0, 3.0]]), np.array([[3.0], [7.0]]), season=2)
        2.0
    """
    changes = following_NH[:, 0] - known_NW[:, -season]
    changes = changes[~np.isnan(changes)]
    return float(changes.mean()) if len(changes) else 0.0


def seasonal_naive(known_NW: Floats, horizon: int, season: int, drift: float) -> Floats:
    """Forecasts (N, H): the step one or more whole seasons earlier, plus `drift` for each of them.

    Gaps are filled by lines between their neighbours; at the ends the nearest value stands.

    Source: Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, section 5.2.

    Examples:
        >>> seasonal_naive(np.array([[1.0, 2.0, np.nan, 4.0]]), 3, season=2, drift=0.5).tolist()
        [[3.5, 4.5, 4.0]]
    """
    steps = np.arange(known_NW.shape[1])
    filled_NW = np.stack([_filled(row, steps) for row in known_NW]) if len(known_NW) else known_NW
    ahead_H = np.arange(1, horizon + 1)
    seasons_H = -(-ahead_H // season)
    return np.asarray(filled_NW[:, ahead_H - seasons_H * season - 1] + drift * seasons_H)


def _filled(row_W: Floats, steps: NDArray[np.int64]) -> Floats:
    known = ~np.isnan(row_W)
    return np.interp(steps, steps[known], row_W[known])
