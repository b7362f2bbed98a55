"""The simpler model for a number that whole series tell: ridge regression on what describes a series.

Shapes: N records.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lightloop.config.schema import Config
from lightloop.config.series import SeriesSpec
from lightloop.data.splits import SplitName
from lightloop.evaluation.baselines.series_classification import statistics

TITLE = "ridge regression on statistics of the series"
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # chosen among by leaving one training record out


def answers(config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table) -> dict[str, NDArray[Any]]:
    """See `evaluation.baseline.baseline_answers`."""
    spec = config.data
    assert isinstance(spec, SeriesSpec)
    train = splits["train"]
    model = make_pipeline(StandardScaler(), RidgeCV(STRENGTHS))
    model.fit(statistics(train, spec), np.asarray(train["label"].to_pylist(), dtype=np.float64))
    predicted_N = model.predict(statistics(questions, spec))
    return {"prediction": np.asarray(predicted_N, dtype=np.float32)[:, None]}
