"""One long series as records: windows of known steps with the steps that follow, divided by time. No torch.

Shapes: N records, T time steps, W steps of a window, H steps of the horizon.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.data import Part
from lightloop.config.series import SeriesSpec
from lightloop.data.records import read_records
from lightloop.data.series.clock import Clock, Times, clock_of
from lightloop.data.series.records import stamp_names
from lightloop.data.splits import SPLITS, SplitName
from lightloop.errors import RefusedError, UsageError

Floats = NDArray[np.float64]
# More empty steps than this to a row: a wrong time stamp, not a gap.
MOST_GAPS = 100
# What the schema of a table of windows says of its series.
CLOCK, LEFT_OUT = b"clock", b"left_out"


@dataclass(frozen=True)
class Steps:
    """One series on regular steps.

    Attributes:
        times: (T,), sorted, without holes.
        values: (T,), NaN in gaps.
        clock: of the steps.
        starts: first place of validation and of test, and the number of steps.
    """

    times: Times
    values: Floats
    clock: Clock
    starts: tuple[int, int, int]


def read_windows(spec: SeriesSpec, root: Path) -> dict[SplitName, pa.Table]:
    """The windows of each split.

    A record is forecast from its origin, the last known step: `id` (its time stamp as text), the time stamp under
    the time column's name, `series` (W float32, NaN in gaps), `label` (the H steps that follow, float64), and
    `naive_error`, the mean absolute error of the seasonal naive forecast on the training steps, by which errors are
    scaled. The forecast steps of a split lie in its own range of time alone; the known ones may reach back before it.
    Records with a gap among the forecast steps, or with nothing but gaps before, are left out; the schema's metadata
    say how many (`left_out`), and what the steps are (`clock`).

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: time stamps are not sorted, unique and regular; or a split is too short for window and horizon.
    """
    steps = read_steps(spec, root)
    first, second, end = steps.starts
    bounds = {"train": (0, first), "validation": (first, second), "test": (second, end)}
    return {split: _windows(spec, steps, split, *bounds[split]) for split in SPLITS}


def read_steps(spec: SeriesSpec, root: Path) -> Steps:
    """The whole series on regular steps; see `read_windows`."""
    parts: tuple[Part, ...] = ("train", "validation", "test")
    tables = {part: read_records(spec, root, part) for part in parts if part in spec.files}
    whole = pa.concat_tables(tables.values())
    times = whole.column(spec.time).to_numpy().astype("datetime64[s]")
    values = np.asarray(whole.column("label").to_numpy(zero_copy_only=False), dtype=np.float64)
    _check_order(times, spec)
    series, step = _regular(pd.Series(values, index=pd.DatetimeIndex(times)), spec)
    stamps = series.index.to_numpy().astype("datetime64[s]")
    if np.isnan(series.to_numpy()).all():
        raise RefusedError(f"the series {spec.target!r} of {spec.name} has no value at all: expected numbers")
    firsts = {part: table.column(spec.time)[0].as_py() for part, table in tables.items() if len(table)}
    starts = _starts(spec, stamps, {part: np.datetime64(first, "s") for part, first in firsts.items()})
    return Steps(stamps, np.asarray(series, dtype=np.float64), clock_of(stamps, spec.season, step), starts)


def _check_order(times: Times, spec: SeriesSpec) -> None:
    if len(times) < 2:
        raise RefusedError(f"the series of {spec.name} has {len(times)} time steps: at least 2 are needed")
    distances = np.diff(times).astype(np.int64)
    wrong = np.flatnonzero(distances <= 0)
    if len(wrong):
        row = int(wrong[0]) + 1
        fault = "twice" if distances[row - 1] == 0 else f"after {times[row - 1]}"
        raise RefusedError(
            f"the series of {spec.name} has {times[row]} {fault} (row {row + 1}): sort its rows by {spec.time!r} and "
            "keep one for each time stamp"
        )


def _regular(series: "pd.Series[float]", spec: SeriesSpec) -> tuple["pd.Series[float]", str]:
    """The series without holes between its steps, and the length of a step."""
    if spec.resample:
        try:
            means = series.resample(spec.resample).mean()
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(
                f"data.resample is {spec.resample!r}, no frequency of pandas ({reason}): say MS for months, or 7D"
            ) from None
        if len(means) < 2:
            raise RefusedError(f"data.resample={spec.resample} leaves {len(means)} time step: take shorter periods")
        distances = np.unique(np.diff(means.index.to_numpy().astype("datetime64[s]")).astype(np.int64))
        return means, f"{distances[0]}s" if len(distances) == 1 else spec.resample
    times = series.index.to_numpy().astype("datetime64[s]")
    distances = np.diff(times).astype(np.int64)
    lengths, counts = np.unique(distances, return_counts=True)
    step = int(lengths[counts.argmax()])
    places = np.concatenate([[0], np.cumsum(distances)])
    uneven = np.flatnonzero(places % step)
    if len(uneven):
        raise RefusedError(
            f"the time stamps of {spec.name} are not regular: most are {pd.Timedelta(step, 's')} apart, but "
            f"{times[uneven[0]]} is not; say data.resample, such as MS for months, to take means over regular periods"
        )
    if places[-1] // step > MOST_GAPS * len(times):
        raise RefusedError(
            f"the series of {spec.name} reaches from {times[0]} to {times[-1]} in steps of {pd.Timedelta(step, 's')}, "
            f"but has {len(times)} rows: one of its time stamps is wrong, or say data.resample"
        )
    return series.reindex(pd.DatetimeIndex(times[0] + np.arange(0, places[-1] + 1, step))), f"{step}s"


def _starts(spec: SeriesSpec, times: Times, firsts: dict[Part, np.datetime64]) -> tuple[int, int, int]:
    """Where validation and test begin: at a file's first step, at a day, or with a share of the steps."""

    def place(part: Part, day: object, share: object, before: int) -> int:
        stamp = np.datetime64(str(day), "s") if day else firsts.get(part)
        if stamp is not None:
            return int(np.searchsorted(times, stamp))
        assert isinstance(share, float)
        return before - max(1, round(share * before))

    end = len(times)
    test = place("test", spec.test_from, spec.split.test, end)
    validation = place("validation", spec.validation_from, spec.split.validation, test)
    if not 0 < validation < test < end:
        raise RefusedError(
            f"training, validation and test of {spec.name} have {validation}, {test - validation} and {end - test} "
            "time steps: give each some, by data.split or by data.validation_from and data.test_from"
        )
    return validation, test, end


def _windows(spec: SeriesSpec, steps: Steps, split: SplitName, start: int, end: int) -> pa.Table:
    """Records whose forecast steps lie in places `start` to `end`."""
    firsts = np.arange(max(start, spec.window), end - spec.horizon + 1)  # of the forecast steps
    needed = f"{spec.window} known and {spec.horizon} forecast" if split == "train" else f"{spec.horizon} forecast"
    if not len(firsts):
        raise RefusedError(
            f"data.window={spec.window} and data.horizon={spec.horizon} do not fit: the {split} part of {spec.name} "
            f"has {end - start} time steps, and a record needs {needed} ones; take shorter ones"
        )
    known_NW = steps.values[firsts[:, None] + np.arange(-spec.window, 0)]
    wanted_NH = steps.values[firsts[:, None] + np.arange(spec.horizon)]
    whole = ~np.isnan(wanted_NH).any(1) & ~np.isnan(known_NW).all(1)
    if not whole.any():
        raise RefusedError(
            f"no record of the {split} part of {spec.name} is without gaps in the {spec.horizon} steps that are to be "
            "forecast: take a shorter data.horizon, or data.resample"
        )
    origins = steps.times[firsts[whole] - 1]
    table = pa.table(
        {
            "id": pa.array(stamp_names(origins), pa.string()),
            spec.time: pa.array(origins, pa.timestamp("s")),
            "series": _lists(known_NW[whole].astype(np.float32)),
            "label": _lists(wanted_NH[whole]),
            "naive_error": np.full(int(whole.sum()), naive_error(steps.values[: steps.starts[0]], spec.season)),
        }
    )
    said = {CLOCK: steps.clock.model_dump_json().encode(), LEFT_OUT: str(int((~whole).sum())).encode()}
    return table.replace_schema_metadata(said)


def naive_error(values_T: Floats, season: int) -> float:
    """The mean absolute error of saying what was one season earlier; 0 where there are no two such values.

    Source: Hyndman & Koehler 2006, "Another look at measures of forecast accuracy", the scale of MASE.

    Examples:
        >>> naive_error(np.array([1.0, 2.0, 4.0, np.nan, 7.0]), 2)
        3.0
    """
    errors = np.abs(values_T[season:] - values_T[:-season])
    errors = errors[~np.isnan(errors)]
    return float(errors.mean()) if len(errors) else 0.0


def _lists(values_NM: NDArray[np.floating]) -> pa.ListArray:
    offsets = np.arange(len(values_NM) + 1, dtype=np.int32) * values_NM.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(values_NM.ravel()))
