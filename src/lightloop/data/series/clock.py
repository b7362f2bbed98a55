"""When the steps of a series are: regular time stamps, places in the calendar and in the season. No torch.

Shapes: N records, T steps, F calendar features.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Times = NDArray[np.datetime64]
Floats = NDArray[np.float64]

YEAR = 365.2425 * 86_400  # seconds, Gregorian mean
# As long as a year to within this share, a season is the year: 52 weeks are.
YEAR_TOLERANCE = 0.02


class Clock(BaseModel):
    """The regular steps of one series.

    Attributes:
        step: seconds as in "604800s", or a pandas frequency of unequal steps such as "MS".
        anchor: the first step of the series, ISO 8601.
        season: steps after which the series repeats itself, 1 where it does not.
        yearly: whether the season is the year: it is then read off the calendar, so that it does not drift.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    anchor: str
    season: int = 1
    yearly: bool = False

    @property
    def seconds(self) -> int | None:
        """Length of a step, None where steps are of unequal length."""
        found = re.fullmatch(r"(\d+)s", self.step)
        return int(found.group(1)) if found else None

    @property
    def advance(self) -> float:
        """By which share of the season a step moves on."""
        return self.seconds / YEAR if self.yearly and self.seconds else 1 / self.season

    def times(self, origins_N: Times, steps: int) -> Times:
        """Time stamps (N, T) of the `steps` that end with each origin.

        Examples:
            >>> clock = Clock(step="MS", anchor="2000-01-01")
            >>> clock.times(np.array(["2000-03-01"], dtype="datetime64[s]"), 3).astype("datetime64[D]").tolist()
            [[datetime.date(2000, 1, 1), datetime.date(2000, 2, 1), datetime.date(2000, 3, 1)]]
        """
        origins_N = origins_N.astype("datetime64[s]")
        if self.seconds:
            back_T = np.arange(steps - 1, -1, -1) * np.timedelta64(self.seconds, "s")
            stamps: Times = origins_N[:, None] - back_T
            return stamps
        if not len(origins_N):
            return np.empty((0, steps), dtype="datetime64[s]")
        before = self._range(end=origins_N.min(), periods=steps)
        grid = np.concatenate([before[:-1], self._range(start=before[-1], end=origins_N.max())])
        # An origin between two steps is of the one before.
        place_N = np.searchsorted(grid, origins_N, side="right") - 1
        return grid[place_N[:, None] - np.arange(steps - 1, -1, -1)]

    def places(self, times: Times) -> NDArray[np.int64]:
        """Steps since the anchor, of time stamps of any shape; not before the anchor where steps are unequal."""
        since = times.astype("datetime64[s]") - np.datetime64(self.anchor, "s")
        if self.seconds:
            return since.astype(np.int64) // self.seconds
        grid = self._range(start=np.datetime64(self.anchor, "s"), end=times.max()) if times.size else times.ravel()
        return np.searchsorted(grid, times.astype("datetime64[s]"), side="right").astype(np.int64) - 1

    def phases(self, times: Times) -> Floats:
        """Place in the season, 0 to 1, of time stamps of any shape."""
        if not self.yearly:
            return self.places(times) % self.season / self.season
        if self.seconds:
            return _share(times, "year")
        months = times.astype("datetime64[M]").astype(np.int64) % 12
        return months / 12 + _share(times, "month") / 12

    def calendar(self, times_NT: Times, names: Sequence[str]) -> Floats:
        """Sine and cosine (N, T, F) of the place in each of the named spans: year, month, week, day."""
        angles = [2 * np.pi * _share(times_NT, name) for name in names]
        features = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
        return np.stack(features, axis=-1) if features else np.empty((*times_NT.shape, 0))

    def _range(self, **bounds: Any) -> Times:
        import pandas as pd

        return pd.date_range(freq=self.step, unit="s", **bounds).to_numpy().astype("datetime64[s]")


def clock_of(times: Times, season: int, step: str) -> Clock:
    """The clock of regular time stamps, sorted, two at least."""
    mean = float((times[-1] - times[0]).astype("timedelta64[s]").astype(np.int64)) / (len(times) - 1)
    yearly = season > 1 and abs(season * mean / YEAR - 1) < YEAR_TOLERANCE
    return Clock(step=step, anchor=str(times[0].astype("datetime64[s]")), season=season, yearly=yearly)


def _share(times: Times, span: Literal["year", "month", "week", "day"] | str) -> Floats:
    """The place in a span of the calendar, 0 to 1."""
    seconds = times.astype("datetime64[s]")
    if span in ("year", "month"):
        start = seconds.astype("datetime64[Y]" if span == "year" else "datetime64[M]")
        end = (start + 1).astype("datetime64[s]")
        begin = start.astype("datetime64[s]")
        return (seconds - begin).astype(np.float64) / (end - begin).astype(np.float64)
    # 1970-01-01 was a Thursday: weeks start on Monday, three days earlier.
    length, shift = (7 * 86_400, 3 * 86_400) if span == "week" else (86_400, 0)
    return (seconds.astype(np.int64) + shift) % length / length
