"""Series: what a data set of them says, and how they are prepared."""

from typing import Literal

from lightloop.config.base import Count, Frozen
from lightloop.config.data import DataSpec


class SeriesSpec(DataSpec):
    """A data set of values over time.

    With the problem `forecasting` the files hold one long series, a row a time step, and a record is a window of it:
    `window` steps that are known, `horizon` steps to be forecast. With other problems a record is one whole series
    (a list of numbers in the feature column).
    """

    modality: Literal["series"]
    window: Count = 1
    horizon: Count = 1
    season: Count = 1


class SeriesPreprocess(Frozen):
    """How series are prepared."""

    name: Literal["series"]
