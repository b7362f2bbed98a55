"""What the log says of a series: the steps that follow the data set's last, as they were asked with and turned out.

Shapes: W steps of a record, H steps of the horizon.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from lightloop.collection.candidates import labelled_rows
from lightloop.config.series import SeriesSpec
from lightloop.data.collected import ID, SPLIT
from lightloop.data.series.clock import Clock, Times
from lightloop.data.series.windows import read_steps
from lightloop.errors import RefusedError
from lightloop.monitoring.window import Window

# In the place of a prediction's id: a step belongs to many.
STEP = "step"


def new_steps(window: Window, spec: SeriesSpec, root: Path) -> tuple[pa.Table, int]:
    """The steps after the data set's last, with their values, and how many labelled predictions there are.

    A prediction whose truth is known tells the steps that it was asked with, and those that it forecast. Where two
    disagree about a step, the later prediction counts. Steps without a value in between are gaps, as in any file.

    Returns:
        The columns of the file, `collected_id` and `collected_split`; a row a step that has a value.

    Raises:
        RefusedError: the log lacks the series or its times, or the data set's steps are made by `data.resample`.
    """
    if spec.resample:
        raise RefusedError(
            f"data.resample={spec.resample} takes means of finer steps than the service is asked with: "
            "collect the finer ones by other means"
        )
    rows = labelled_rows(window, spec, [])
    records = window.records
    for name in (spec.known, spec.time):
        if len(rows) and (name not in records.column_names or records.column(name).null_count == len(records)):
            raise RefusedError(
                f"the log does not keep {name!r}, so that nobody can say which steps came: "
                "take it out of serve.log.redact, or let the model be told the time"
            )
    steps = read_steps(spec, root)
    last = steps.times[-1]
    found: dict[np.datetime64, float] = {}
    for row in rows.to_pylist():
        origin = np.datetime64(records.column(spec.time)[row].as_py().replace(tzinfo=None), "s")
        known = records.column(spec.known)[row].as_py()
        told = window.predictions.column("truth_values")[row].as_py()
        times = np.concatenate(
            [steps.clock.times(np.array([origin]), len(known))[0], after(steps.clock, origin, len(told))]
        )
        found |= {time: value for time, value in _valued(times, [*known, *told]) if time > last}
    times = np.array(sorted(found), dtype="datetime64[s]")
    table = pa.table(
        {
            spec.time: pa.array(times, pa.timestamp("s")),
            spec.target: pa.array([found[time] for time in times], pa.float64()),
            ID: pa.array([f"{STEP}-{time}" for time in times], pa.string()),
            SPLIT: pa.array(["time"] * len(times), pa.string()),
        }
    )
    return table, len(rows)


def after(clock: Clock, origin: np.datetime64, steps: int) -> Times:
    """The time stamps (H,) that follow an origin.

    Examples:
        >>> clock = Clock(step="604800s", anchor="2001-01-06")
        >>> after(clock, np.datetime64("2001-01-06", "s"), 2).astype("datetime64[D]").astype(str).tolist()
        ['2001-01-13', '2001-01-20']
    """
    if clock.seconds:
        return origin + np.arange(1, steps + 1) * np.timedelta64(clock.seconds, "s")
    import pandas as pd

    later = pd.date_range(start=str(origin), periods=steps + 1, freq=clock.step).to_numpy().astype("datetime64[s]")
    return later[later > origin][:steps]


def _valued(times: Times, values: list[float | None]) -> Iterator[tuple[np.datetime64, float]]:
    for time, value in zip(times, values, strict=True):
        if value is not None and np.isfinite(value):
            yield time, float(value)
