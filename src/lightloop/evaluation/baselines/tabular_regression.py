"""The simpler models for numbers of tables: gradient boosting and ridge regression on the raw columns.

Shapes: N records.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from lightloop.config.schema import Config
from lightloop.config.tabular import TabularSpec
from lightloop.data.splits import SplitName
from lightloop.evaluation.baselines._table import Columns, boosting_input, linear_pipeline
from lightloop.evaluation.baselines.tabular_classification import BOOSTING, SEED

# Whichever has the lower squared error on the validation split.
TITLE = "gradient boosting or ridge regression"


def answers(config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table) -> dict[str, NDArray[Any]]:
    """See `evaluation.baseline.baseline_answers`: `prediction` (N, 1), in the target's unit."""
    validation = splits["validation"]
    actual_N = validation["label"].to_numpy()
    # Each model is trained once, and asked both: what it is chosen by, and what is asked for.
    both = [table.select(config.data.features) for table in (validation, questions)]
    found = predictions_of(config, splits, pa.concat_tables(both, promote_options="permissive"))
    best = min(found, key=lambda name: float(np.square(found[name][: len(validation)] - actual_N).mean()))
    return {"prediction": found[best][len(validation) :, None].astype(np.float32)}


def predictions_of(
    config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table
) -> dict[str, NDArray[np.float64]]:
    """Train both models on the training split; their answers (N,), by "gradient boosting" and "ridge regression"."""
    spec = config.data
    assert isinstance(spec, TabularSpec)
    train = splits["train"]
    target_N = train["label"].to_numpy()
    columns = Columns.of(train, spec)
    models = {
        "gradient boosting": boosting_input(HistGradientBoostingRegressor, columns, BOOSTING, SEED),
        "ridge regression": linear_pipeline(Ridge(), columns),
    }
    return {
        name: np.asarray(model.fit(columns.frame(train), target_N).predict(columns.frame(questions)), np.float64)
        for name, model in models.items()
    }
