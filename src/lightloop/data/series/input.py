"""A series as a raw record.

Shapes: N records, T steps, C channels.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.series import Calendar
from lightloop.data.inputs import Feeds, RecordInput
from lightloop.data.series.clock import Clock
from lightloop.errors import RefusedError


class SeriesInput(RecordInput):
    """What the graph takes: `series` (N, T, C), float32: the values as they are, NaN in gaps, then what the time
    stamps say: the place in the season (0 to 1) where it is asked for, sine and cosine of places in the calendar.

    Attributes:
        kind: of record.
        column: of a record that holds its values, a list of numbers, the oldest first.
        window: T. Of longer series the last T steps are taken; what a shorter one lacks before counts as missing.
        time: the column with the time stamp of the last step, None where time stamps are not looked at.
        clock: when the steps are, with `time`.
        phase: whether the place in the season is a channel.
        calendar: spans of the calendar whose places are channels.
    """

    kind: Literal["series"] = "series"
    column: str
    window: int
    time: str | None = None
    clock: Clock | None = None
    phase: bool = False
    calendar: tuple[Calendar, ...] = ()

    @property
    def channels(self) -> int:
        """C."""
        return 1 + self.phase + 2 * len(self.calendar)

    @property
    def feeds(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        return {"series": ("float32", (None, self.window, self.channels))}

    def encode(self, table: pa.Table, files: Mapping[str, bytes]) -> Feeds:
        values_NT = self._values(table)
        channels: list[NDArray[np.floating]] = [values_NT[:, :, None]]
        if self.phase or self.calendar:
            assert self.time is not None
            assert self.clock is not None
            if table.column(self.time).null_count:
                raise RefusedError(f"a record has no time stamp {self.time!r}: give that of its last step")
            origins_N = table.column(self.time).to_numpy().astype("datetime64[s]")
            times_NT = self.clock.times(origins_N, self.window)
            if self.phase:
                channels.append(self.clock.phases(times_NT)[:, :, None])
            channels.append(self.clock.calendar(times_NT, self.calendar))
        return {"series": np.concatenate(channels, axis=2).astype(np.float32)}

    def _values(self, table: pa.Table) -> NDArray[np.float32]:
        """The last T values (N, T), NaN where there is none."""
        column = table.column(self.column).combine_chunks()
        if column.null_count:
            row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
            raise RefusedError(f"record number {row + 1} has no {self.column!r}: expected a list of numbers")
        flat = np.asarray(column.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False), dtype=np.float32)
        lengths_N = np.asarray(column.value_lengths(), dtype=np.int64)
        ends_N = np.cumsum(lengths_N)
        back_T = np.arange(self.window, 0, -1)
        inside_NT = back_T <= lengths_N[:, None]
        places_NT = np.where(inside_NT, ends_N[:, None] - back_T, 0)
        padded = flat if len(flat) else np.zeros(1, dtype=np.float32)
        values_NT = np.where(inside_NT, padded[places_NT], np.float32(np.nan))
        if np.isinf(values_NT).any():
            row = int(np.flatnonzero(np.isinf(values_NT).any(1))[0])
            raise RefusedError(f"record number {row + 1} has an infinity in {self.column!r}: expected numbers")
        return values_NT.astype(np.float32)
