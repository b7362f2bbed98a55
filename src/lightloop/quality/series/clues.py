"""What of a series must not tell the target alone: its length, its gaps, a step that is the target itself.

A forecast is made of the target's own past, so no other column can tell it; but the steps to be tested on may stand in
the series twice, the answers then being the past of themselves.

Shapes: N records, T steps, W steps of a window, P probes, L lags.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightloop.config.series import SeriesSpec
from lightloop.data.records import read_records
from lightloop.data.series.input import SeriesInput
from lightloop.quality.leakage import predictiveness

Floats = NDArray[np.float64]
# Steps from either end of a window that are looked at.
REACH = 16
# A step with no more different values than this is a flag or a code; a measurement may well tell a class.
MOST_VALUES = 10
# Steps of the test part that are looked for in the past.
PROBES = 200
LEAST_PROBES = 10


def clues(spec: SeriesSpec, train: pd.DataFrame, root: Path) -> dict[str, float | None]:
    """See `quality.modality.clues_of`; of a forecast, the share of the test steps whose value stands some steps before.

    A step of a whole series is looked at when its values are few, for classes, and for numbers by the share of the
    records in which it is the target.
    """
    if spec.problem == "forecasting":
        return _repeats(spec, train)
    classes = spec.problem == "classification"
    found = {name: predictiveness(train[name], train["label"], classes=classes) for name in ("length", "missing")}
    read = train[train["length"].notna() & ~train["infinite"].fillna(False)]
    records = read_records(spec, root, "train").take(read.index.to_numpy())
    values_NW = SeriesInput(column=spec.feature, window=spec.window).encode(records, {})["series"][:, :, 0]
    places = sorted({*range(min(REACH, spec.window)), *range(max(0, spec.window - REACH), spec.window)})
    for place in places:
        value = _flag(values_NW[:, place], read["label"]) if classes else _same(values_NW[:, place], read["label"])
        found[f"step {place + 1} of {spec.window}"] = value
    return found


def _flag(values_N: NDArray[np.float32], labels: "pd.Series[str]") -> float | None:
    distinct = len(np.unique(values_N))
    if not 2 <= distinct <= max(MOST_VALUES, 2 * labels.nunique()):
        return None
    return predictiveness(pd.Series(values_N, labels.index), labels, classes=True)


def _same(values_N: NDArray[np.float32], targets: "pd.Series[float]") -> float | None:
    if targets.nunique() < 2:
        return None
    return float(np.isclose(values_N, targets.to_numpy(np.float32), rtol=1e-5, atol=0).mean())


def _repeats(spec: SeriesSpec, steps: pd.DataFrame) -> dict[str, float | None]:
    """The lag at which most of the test steps repeat exactly what stood there before, and how many do.

    The most common value is not looked at: zeros in a row are no copy.
    """
    values_T = steps["label"].to_numpy(np.float64)
    if spec.test_from:
        start = int((steps["time"] < pd.Timestamp(spec.test_from)).sum())
    elif isinstance(spec.split.test, float):
        start = len(values_T) - max(1, round(spec.split.test * len(values_T)))
    else:
        start = int((steps["part"] != "test").sum())
    known_T = values_T[start:]
    known_T = known_T[~np.isnan(known_T)]
    if not len(known_T):
        return {}
    values, counts = np.unique(known_T, return_counts=True)
    telling_P = start + np.flatnonzero(~np.isnan(values_T[start:]) & (values_T[start:] != values[counts.argmax()]))
    probes_P = telling_P[np.linspace(0, len(telling_P) - 1, min(PROBES, len(telling_P))).astype(int)]
    if len(probes_P) < LEAST_PROBES:
        return {}
    # As far back as the first probe has a past; the test part's own length at least, or it could repeat itself.
    lags_L = np.arange(len(values_T) - start, probes_P[0] + 1)
    if not len(lags_L):
        return {}
    same_L = np.zeros(len(lags_L))
    for probe in probes_P:
        same_L += values_T[probe - lags_L] == values_T[probe]
    best = int(same_L.argmax())
    return {f"the value {lags_L[best]} steps before": float(same_L[best] / len(probes_P))}
