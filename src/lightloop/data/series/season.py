"""The seasonal profile of a series: decomposed by statsmodels, kept as one value for each place in the season.

Shapes: T steps, S places of the season.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.tsa.seasonal import STL, seasonal_decompose

from lightloop.errors import RefusedError

Floats = NDArray[np.float64]

DECOMPOSITIONS: dict[str, Callable[[Floats, int], Floats]] = {
    "stl": lambda values_T, season: STL(values_T, period=season).fit().seasonal,
    "classical": lambda values_T, season: seasonal_decompose(values_T, period=season, extrapolate_trend=1).seasonal,
}


def seasonal_profile(values_T: Floats, phases_T: Floats, season: int, method: str) -> Floats:
    """The profile (S,): values at equally spaced places of the season, between which lies a line; its mean is 0.

    Args:
        values_T: NaN in gaps, which are filled by lines for the decomposition.
        phases_T: place in the season of each step, 0 to 1.
        season: S.
        method: a name in `DECOMPOSITIONS`.

    Raises:
        RefusedError: there are less than two seasons.
    """
    if len(values_T) < 2 * season + 1:
        raise RefusedError(
            f"the training series has {len(values_T)} steps, but a season of {season} is found in at least "
            f"{2 * season + 1}: say preprocess.decompose=none and preprocess.missing=linear"
        )
    filled = np.asarray(pd.Series(values_T).interpolate(limit_direction="both"), dtype=np.float64)
    seasonal_T = DECOMPOSITIONS[method](filled, season)
    # Least squares over the two places around each step: what `profile_at` reads is then closest to the season.
    place_T = phases_T * season
    low_T = np.floor(place_T).astype(int)
    weights_TS = np.zeros((len(values_T), season))
    rows = np.arange(len(values_T))
    np.add.at(weights_TS, (rows, low_T % season), 1 - (place_T - low_T))
    np.add.at(weights_TS, (rows, (low_T + 1) % season), place_T - low_T)
    profile_S = np.linalg.lstsq(weights_TS, seasonal_T, rcond=None)[0]
    return np.asarray(profile_S - profile_S.mean(), dtype=np.float64)
