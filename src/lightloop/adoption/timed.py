"""Whether the records are the steps of one long series, and the target is forecast from its own past. No torch.

Shapes: T steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lightloop.adoption.model import ColumnGuess, Reading, Rhythm
from lightloop.adoption.rhythm import rhythm_of
from lightloop.adoption.target import Chosen
from lightloop.adoption.values import Values, convert

# A series of fewer steps has no rhythm that can be seen.
LEAST_STEPS = 20
# Columns that a forecast leaves aside: more of them, and it is rather a table.
FEW_BESIDE = 1
# A series of fewer different values is a state, and no forecast of numbers.
FEW_LEVELS = 3


@dataclass(frozen=True)
class Timed:
    """The column of time stamps.

    Attributes:
        name: in the source.
        stamps: (T,), datetime64[s], in the order of the records.
        rhythm: of them.
        reading: how its values become time stamps.
    """

    name: str
    stamps: NDArray[np.datetime64]
    rhythm: Rhythm
    reading: Reading


def find_time(columns: Mapping[str, ColumnGuess], values: Mapping[str, Values]) -> Timed | None:
    """The first column of dates with one a record, each there once, that follow a rhythm; None where there is none.

    Args:
        columns: by name in the source.
        values: of the same.
    """
    for name, column in columns.items():
        one = values[name]
        if column.what not in ("date", "time") or one.missing or one.distinct < len(one.array):
            continue
        # Of numbers that were read the marks are gone.
        plain = replace(column.reading, decimal=".", thousands="", affix="")
        array = one.array if one.holds == "date" else convert(one.array.cast("string"), plain)
        if array.null_count or len(array) < LEAST_STEPS:
            continue
        stamps = array.to_numpy().astype("datetime64[s]")
        rhythm = rhythm_of(stamps, np.zeros(len(stamps)))
        if rhythm is not None:
            reading = one.reading if one.holds == "date" else column.reading
            return Timed(name, stamps, rhythm, reading)
    return None


def only_number(timed: Timed | None, columns: Mapping[str, ColumnGuess]) -> Chosen | None:
    """The one column of numbers beside the time stamps: it is what is forecast."""
    if timed is None:
        return None
    able = [column for name, column in columns.items() if column.what == "number" and name != timed.name]
    if len(able) != 1:
        return None
    return Chosen(able[0].name, 0.95, "the one column of numbers beside the time stamps")


def likely_forecast(
    timed: Timed | None, columns: Mapping[str, ColumnGuess], values: Mapping[str, Values], target: str
) -> Chosen | None:
    """Whether the past of the target is what it is predicted from; None where it is not, or no rhythm was found.

    Args:
        timed: of `find_time`.
        columns: by name in the source.
        values: of the same.
        target: its name in the source.
    """
    if timed is None or values[target].holds != "number" or values[target].distinct <= FEW_LEVELS:
        return None
    beside = [
        column
        for name, column in columns.items()
        if name not in (timed.name, target) and column.what in ("number", "category", "ordered")
    ]
    reason = f"one time stamp a {timed.rhythm.step}, in {timed.rhythm.steps} steps"
    if len(beside) <= FEW_BESIDE:
        return Chosen("forecasting", 0.95 if not beside else 0.8, reason)
    if all(column.what == "number" for column in beside):
        # Several series side by side, or causes beside an effect: nothing in the values tells.
        return Chosen("forecasting", 0.6, f"{reason}, {len(beside)} other columns of numbers beside it")
    return None
