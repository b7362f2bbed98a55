"""How the steps of a long series follow each other, and after how many it repeats itself. No torch.

Shapes: T steps.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightloop.adoption.model import Rhythm

DAY: Final = 86_400
# Seconds of a step: from, to, its name, the frequency that makes it regular, the seasons it may have.
STEPS: Final = (
    (0.5, 1.5, "second", "s", (60,)),
    (50, 70, "minute", "min", (60, 1_440)),
    (590, 610, "ten minutes", "10min", (144,)),
    (890, 910, "quarter of an hour", "15min", (96,)),
    (1_790, 1_810, "half an hour", "30min", (48,)),
    (3_500, 3_700, "hour", "h", (24, 168)),
    (0.9 * DAY, 1.1 * DAY, "day", "D", (7, 365)),
    (6.9 * DAY, 7.1 * DAY, "week", "7D", (52,)),
    (27.9 * DAY, 31.1 * DAY, "month", "MS", (12,)),
    (89 * DAY, 93 * DAY, "quarter", "QS", (4,)),
    (364 * DAY, 367 * DAY, "year", "YS", ()),
)
# Correlation with the steps a season before, from which on it is one.
SEASONAL: Final = 0.3
LONGEST: Final = 30
# Share of the steps that must be of the usual length.
REGULAR: Final = 0.8


def rhythm_of(times_T: NDArray[np.datetime64], values_T: NDArray[np.float64]) -> Rhythm | None:
    """The rhythm of a series; None where its steps follow none, or a time stamp stands there twice.

    Args:
        times_T: datetime64[s], in any order.
        values_T: NaN in gaps.

    Examples:
        >>> months = np.arange("2000-01", "2004-01", dtype="datetime64[M]").astype("datetime64[s]")
        >>> found = rhythm_of(months, np.sin(np.arange(48) * np.pi / 6))
        >>> found.step, found.resample, found.season
        ('month', 'MS', 12)
    """
    if len(times_T) < 3 or np.isnat(times_T).any():
        return None
    order = np.argsort(times_T, kind="stable")
    distances = np.diff(times_T[order]).astype(np.int64)
    if (distances <= 0).any():
        return None
    known = values_T[order]
    lengths, counts = np.unique(distances, return_counts=True)
    usual = int(lengths[counts.argmax()])
    name, frequency, seasons = _named(float(np.median(distances)))
    even = bool((distances % usual == 0).all())
    steps = int(distances.sum() // usual) + 1
    gaps = int(np.isnan(known).sum())
    if even and counts.max() >= REGULAR * len(distances):
        return Rhythm(name, None, season_of(known, seasons), steps, steps - len(known) + gaps)
    if _is_working_days(distances):
        return Rhythm("working day", "B", season_of(known, (5, 21)), len(known), gaps)
    near = np.abs(distances - np.median(distances)) <= 0.12 * np.median(distances)
    if frequency is not None and near.mean() >= REGULAR:
        return Rhythm(name, frequency, season_of(known, seasons), len(known), gaps)
    return None


def season_of(values_T: NDArray[np.float64], candidates: tuple[int, ...]) -> int:
    """After how many steps a series repeats itself: of the candidates the one with the highest correlation; without
    any, the first clear peak of the correlation within `LONGEST` steps; 1 where there is none.
    """
    known_T = ~np.isnan(values_T)
    if known_T.sum() < 6:
        return 1
    places_T = np.arange(len(values_T))
    filled_T = np.interp(places_T, places_T[known_T], values_T[known_T])
    # Trend and slow movements out: they correlate at every distance.
    longest = max(candidates, default=LONGEST)
    span = min(len(filled_T) - 1, max(3, 2 * (longest // 2) + 1))
    padded_T = np.pad(filled_T, span // 2, mode="edge")
    rest_T = filled_T - np.convolve(padded_T, np.ones(span) / span, mode="valid")[: len(filled_T)]
    found = {lag: _correlation(rest_T, lag) for lag in candidates if len(rest_T) >= 3 * lag}
    if candidates:
        best = max(found, key=lambda lag: found[lag], default=1)
        return best if found.get(best, 0.0) >= SEASONAL else 1
    lags = range(2, min(LONGEST, len(rest_T) // 4))
    scores = [_correlation(rest_T, lag) for lag in lags]
    for place in range(1, len(scores) - 1):
        if scores[place] >= SEASONAL and scores[place] >= scores[place - 1] and scores[place] >= scores[place + 1]:
            return lags[place]
    return 1


def _correlation(values_T: NDArray[np.float64], lag: int) -> float:
    first, second = values_T[:-lag], values_T[lag:]
    if len(first) < 3 or first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _named(seconds: float) -> tuple[str, str | None, tuple[int, ...]]:
    for low, high, name, frequency, seasons in STEPS:
        if low <= seconds <= high:
            return name, frequency, seasons
    return f"{seconds:g} seconds" if seconds < DAY else f"{seconds / DAY:g} days", None, ()


def _is_working_days(distances: NDArray[np.int64]) -> bool:
    """One day mostly, three over a week's end, few others for holidays."""
    days = distances / DAY
    return bool(((days == 1) | (days == 3)).mean() >= 0.9 and (days == 3).mean() > 0.1 and days.max() <= 10)
