"""Time stamps against pandas: an independent calendar."""

import numpy as np
import pandas as pd
import pytest

from lightloop.data.series.clock import Clock, clock_of

FREQUENCIES = [("3600s", "h"), ("604800s", "7D"), ("MS", "MS"), ("QS", "QS"), ("ME", "ME")]


@pytest.mark.parametrize(("step", "frequency"), FREQUENCIES)
def test_steps_back_and_places_are_those_of_a_range(step, frequency):
    grid = pd.date_range("1999-11-01", periods=60, freq=frequency).to_numpy().astype("datetime64[s]")
    clock = Clock(step=step, anchor=str(grid[0]))
    origins = grid[[30, 59, 12]]
    expected = np.stack([grid[18:31], grid[47:60], grid[:13]])
    np.testing.assert_array_equal(clock.times(origins, 13), expected)
    np.testing.assert_array_equal(clock.places(grid), np.arange(60))
    assert clock.times(origins[:0], 13).shape == (0, 13)


@pytest.mark.parametrize(
    ("step", "season", "yearly"),
    [("604800s", 52, True), ("604800s", 4, False), ("86400s", 365, True), ("86400s", 7, False), ("3600s", 24, False)],
)
def test_a_season_as_long_as_a_year_is_read_off_the_calendar(step, season, yearly):
    times = np.datetime64("1990-01-01", "s") + np.arange(900) * np.timedelta64(int(step[:-1]), "s")
    clock = clock_of(times, season, step)
    assert clock.yearly is yearly
    phases = clock.phases(times)
    assert (phases >= 0).all()
    assert (phases < 1).all()
    steps = np.diff(phases) % 1
    # A leap year is 0.3 % longer than the mean one.
    assert np.abs(steps - clock.advance).max() < 0.003 / season + (0.0028 if yearly else 1e-9)
    if yearly:
        series = pd.Series(times)
        days = series.dt.day_of_year - 1 + (series - series.dt.normalize()).dt.total_seconds() / 86_400
        np.testing.assert_allclose(phases, days / (365 + series.dt.is_leap_year), atol=1e-12)


def test_months_are_twelfths_of_a_year():
    times = pd.date_range("1999-05-01", periods=40, freq="MS").to_numpy().astype("datetime64[s]")
    clock = clock_of(times, 12, "MS")
    assert clock.yearly
    np.testing.assert_allclose(clock.phases(times), (np.arange(40) + 4) % 12 / 12, atol=1e-12)
    assert clock.advance == pytest.approx(1 / 12)


def test_calendar_features_are_sines_and_cosines_of_pandas_dates():
    times = pd.date_range("2023-12-25 06:00", periods=50, freq="17h")
    clock = Clock(step=f"{17 * 3600}s", anchor="2023-12-25T06:00:00")
    found = clock.calendar(times.to_numpy().astype("datetime64[s]")[None], ("month", "week", "day"))
    hours = np.asarray(times.hour)
    shares = [
        (np.asarray(times.day) - 1 + hours / 24) / np.asarray(times.days_in_month),
        (np.asarray(times.day_of_week) + hours / 24) / 7,
        hours / 24,
    ]
    expected = np.stack([wave(2 * np.pi * share) for share in shares for wave in (np.sin, np.cos)], axis=-1)
    np.testing.assert_allclose(found[0], expected, atol=1e-9)
    assert clock.calendar(times.to_numpy()[None], ()).shape == (1, 50, 0)
