"""The simpler model for whole series that are classified: logistic regression on what describes a series.

Shapes: N records, T steps, D features, K classes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lightloop.config.schema import Config
from lightloop.config.series import SeriesSpec
from lightloop.data.records import label_codes
from lightloop.data.series.input import SeriesInput
from lightloop.data.splits import SplitName

Floats = NDArray[np.float64]

TITLE = "logistic regression on statistics of the series"
# Values at so many equally spaced times are features: shape, coarsely.
PLACES = 16
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def answers(config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table) -> dict[str, NDArray[Any]]:
    """See `evaluation.baseline.baseline_answers`."""
    spec = config.data
    assert isinstance(spec, SeriesSpec)
    train = splits["train"]
    labels_N = label_codes(train["label"].to_pylist(), spec.classes)
    present = np.unique(labels_N)
    probabilities_NK = np.zeros((len(questions), len(spec.classes)), dtype=np.float32)
    if len(present) == 1:  # nothing to tell apart
        probabilities_NK[:, present] = 1.0
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(statistics(train, spec), labels_N)
        probabilities_NK[:, present] = model.predict_proba(statistics(questions, spec))
    return {"probabilities": probabilities_NK}


def statistics(table: pa.Table, spec: SeriesSpec) -> Floats:
    """What describes each series, (N, D): moments, quantiles, slope, changes, correlation with the step before, gaps,
    and values at equally spaced times. Gaps are filled by lines; a series of gaps alone is 0.
    """
    values_NT = SeriesInput(column=spec.known, window=spec.window).encode(table, {})["series"][:, :, 0]
    missing_NT = np.isnan(values_NT)
    steps_T = np.arange(spec.window)
    filled_NT = np.zeros(values_NT.shape)
    for row, (values_T, missing_T) in enumerate(zip(values_NT, missing_NT, strict=True)):
        if not missing_T.all():
            filled_NT[row] = np.interp(steps_T, steps_T[~missing_T], values_T[~missing_T])
    mean_N1 = filled_NT.mean(1, keepdims=True)
    spread_N1 = filled_NT.std(1, keepdims=True)
    standard_NT = (filled_NT - mean_N1) / np.where(spread_N1 > 0, spread_N1, 1.0)
    changes_NT = np.diff(filled_NT, axis=1, prepend=filled_NT[:, :1])
    place_T = steps_T - steps_T.mean()
    features = [
        mean_N1,
        spread_N1,
        (standard_NT**3).mean(1, keepdims=True),
        (standard_NT**4).mean(1, keepdims=True),
        np.quantile(filled_NT, QUANTILES, axis=1).T,
        filled_NT @ place_T[:, None] / max(1.0, float(place_T @ place_T)),
        np.abs(changes_NT).mean(1, keepdims=True),
        changes_NT.std(1, keepdims=True),
        (standard_NT[:, 1:] * standard_NT[:, :-1]).sum(1, keepdims=True) / spec.window,
        missing_NT.mean(1, keepdims=True),
        filled_NT[:, np.linspace(0, spec.window - 1, min(PLACES, spec.window)).round().astype(int)],
    ]
    return np.concatenate(features, axis=1)
