"""Series: what a data set of them says, how they are prepared and augmented."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Count, Fraction, Frozen, NotNegative
from lightloop.config.data import DataSpec, one_feature

Calendar = Literal["year", "month", "week", "day"]


class SeriesSpec(DataSpec):
    """A data set of values over time.

    With the problem `forecasting` the files hold one long series, a row a time step, and a record is a window of it:
    `window` steps that are known, `horizon` steps to be forecast. Steps without a row are gaps, as are nulls. With
    other problems a record is one whole series (a list of numbers in the feature column), of which the last `window`
    steps are looked at; what a shorter one lacks counts as missing.

    `season` is the number of steps after which the series repeats itself, 1 where it does not. `resample` takes means
    over periods of that pandas frequency first, such as MS for months. `validation_from` and `test_from` are the first
    days of these splits, in place of the shares of `split`.
    """

    modality: Literal["series"]
    window: Count = 1
    horizon: Count = 1
    season: Count = 1
    resample: str | None = None
    validation_from: date | None = None
    test_from: date | None = None

    @model_validator(mode="after")
    def _one_series(self) -> Self:
        if self.problem != "forecasting":
            one_feature(self, "series", ("classification", "regression"))
            if self.resample or self.validation_from or self.test_from:
                raise ValueError(
                    "data.resample, data.validation_from and data.test_from are for forecasting: "
                    f"leave them out where the problem is {self.problem}"
                )
            return self
        if len(self.with_role("time")) != 1:
            named = ", ".join(self.with_role("time")) or "none"
            raise ValueError(f"data.columns must give exactly one column the role time, but names {named}")
        if self.features:
            raise ValueError(
                f"data.columns gives {self.features[0]} the role feature, but a forecast is made of the target's own "
                "past: give it the role ignored"
            )
        if self.split.policy != "time":
            raise ValueError(f"data.split.policy is {self.split.policy}, but forecasts are divided by time: say time")
        if self.validation_from and self.test_from and self.validation_from >= self.test_from:
            raise ValueError(
                f"data.validation_from is {self.validation_from}, and data.test_from is {self.test_from}: "
                "the validation must come before the test"
            )
        return self

    @property
    def time(self) -> str:
        """The column of time stamps, of a forecast."""
        return self.with_role("time")[0]

    @property
    def known(self) -> str:
        """The column of a record that holds the series."""
        return "series" if self.problem == "forecasting" else self.feature


class SeriesPreprocess(Frozen):
    """How series are prepared, in this order, and forecasts put back.

    `missing` fills gaps: a line between neighbours, the same after the season was taken out, or the last value; before
    the first value stands the first one. `decompose` takes out a seasonal profile of the training series. `smoothing`
    over `span` steps. `detrend` takes out the last value or a line through each window. `difference` is how often
    steps are subtracted from their followers. `scale` is by the training windows or, with `scale_by: window`, by each
    window itself. `calendar` adds sine and cosine of the place in the year, month, week or day, `indicator` a channel
    that says what was missing.
    """

    name: Literal["series"]
    missing: Literal["linear", "seasonal", "forward"] = "linear"
    decompose: Literal["none", "stl", "classical"] = "none"
    smoothing: Literal["none", "moving_average", "exponential"] = "none"
    span: Count = 3
    detrend: Literal["none", "last_value", "linear"] = "none"
    difference: Annotated[int, Field(ge=0, le=2)] = 0
    scale: Literal["none", "standard", "min_max", "robust"] = "standard"
    scale_by: Literal["training", "window"] = "training"
    calendar: tuple[Calendar, ...] = ()
    indicator: bool = False

    @property
    def seasonal(self) -> bool:
        """Whether the seasonal profile of the training series is needed."""
        return self.decompose != "none" or self.missing == "seasonal"


class SeriesAugment(Frozen):
    """Random changes of whole training batches.

    `jitter` adds noise to each step, `scaling` stretches a series about its mean: both are deviations, as shares of
    the series' own deviation. `warp` is by how much time runs faster and slower within a series, as a share of it.
    """

    name: Literal["series"]
    jitter: NotNegative = 0.0
    scaling: NotNegative = 0.0
    warp: Fraction = 0.0


def check_series(data: DataSpec, preprocess: Frozen) -> None:
    """Check that the preprocessing of series fits the data.

    Raises:
        ValueError: it does not.
    """
    if not (isinstance(data, SeriesSpec) and isinstance(preprocess, SeriesPreprocess)):
        return
    if data.problem != "forecasting" and (preprocess.seasonal or preprocess.calendar):
        raise ValueError(
            "preprocess.calendar, preprocess.decompose and preprocess.missing=seasonal need time stamps, which the "
            f"whole series of data={data.name} do not have: say preprocess=series_plain"
        )
    if preprocess.seasonal and data.season < 2:
        raise ValueError(f"preprocess takes out a season, but data.season is {data.season}: say how many steps it has")
    if preprocess.difference >= data.window:
        raise ValueError(
            f"preprocess.difference={preprocess.difference} leaves nothing of data.window={data.window}: "
            "take a longer one"
        )
