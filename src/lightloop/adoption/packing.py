"""Tables whose rows are whole series, a step a column. No torch.

Shapes: N records, T steps.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from lightloop.adoption.values import Values

LEAST_STEPS: Final = 16
MOST_LOOKED_AT: Final = 1_000
# Correlation of steps with the next one, within records, from which on columns are steps and not features.
SMOOTH: Final = 0.7
# Stems that say themselves that columns are steps: however rough the series is, nothing else is called so.
TIMES: Final = frozenset(["t", "ts", "time", "timestep", "step", "lag", "hour", "day", "week", "month"])
_NUMBERED = re.compile(r"(?P<stem>.*?)[_\- .]?(?P<number>\d+)")


def steps_of(values: Mapping[str, Values], names: Sequence[str]) -> tuple[tuple[str, ...], float]:
    """The columns that are the steps of a series, in their order, and how sure that is; empty where none are.

    They are numbered one after the other with one stem (v0, v1, ...; 1, 2, ...) and all numbers. Either the stem says
    that they are steps (t0, t1, ...; week_1, week_2, ...), or each is like the next within records. Pixels are so too,
    but a step is not like the one some columns on in the way of an image's rows.

    Args:
        values: by name in the source.
        names: of the columns that may be steps, in the order of the source.
    """
    best: list[str] = []
    run: list[str] = []
    last: tuple[str, int] | None = None
    for name in names:
        match = _NUMBERED.fullmatch(name)
        key = (match["stem"], int(match["number"])) if match and values[name].holds == "number" else None
        if key is not None and last is not None and key == (last[0], last[1] + 1):
            run.append(name)
        else:
            run = [name] if key is not None else []
        last = key
        best = run if len(run) > len(best) else best
    if len(best) < LEAST_STEPS:
        return (), 0.0
    steps_NT = np.stack([values[name].numbers()[:MOST_LOOKED_AT] for name in best], 1)
    stem = (_NUMBERED.fullmatch(best[0]) or {"stem": ""})["stem"].casefold()
    share = len(best) >= 0.8 * len(names)
    if stem in TIMES:
        return tuple(best), 0.8 if share else 0.6
    varied_N = np.nanstd(steps_NT, axis=1) > 0
    steps_NT = steps_NT[varied_N]
    if len(steps_NT) < 5:
        return (), 0.0
    rows_NT = steps_NT - np.nanmean(steps_NT, axis=1, keepdims=True)
    scale_N = np.nansum(rows_NT**2, axis=1)
    alike = {
        lag: float(np.nanmedian(np.nansum(rows_NT[:, lag:] * rows_NT[:, :-lag], axis=1) / scale_N))
        for lag in range(1, min(len(best) // 2, 64))
    }
    # An image's rows repeat at their width: the correlation rises again there.
    falling = [alike[lag] for lag in sorted(alike)]
    valley = min(falling[: len(falling) // 2 + 1])
    place = falling.index(valley)
    again = max(falling[place:]) - valley
    side = round(len(best) ** 0.5)
    square = side * side == len(best) and side >= 5 and alike.get(side, 0.0) > alike.get(side // 2, 1.0) + 0.15
    if square or alike[1] < SMOOTH or re.search(r"pix|px|img", stem):
        return (), 0.0
    sure = 0.9 if alike[1] > 0.9 and again < 0.3 else 0.75
    return tuple(best), sure if share else 0.6
