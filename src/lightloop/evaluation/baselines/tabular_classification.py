"""The simpler models for classes of tables: gradient boosting and logistic regression on the raw columns.

Shapes: N records, K classes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from lightloop.config.schema import Config
from lightloop.config.tabular import TabularSpec
from lightloop.data.records import label_codes
from lightloop.data.splits import SplitName
from lightloop.evaluation.baselines._table import Columns, boosting_input, linear_pipeline

# Whichever has the lower log loss on the validation split.
TITLE = "gradient boosting or logistic regression"
SEED = 0
# Small steps and small trees; the number of them is chosen on a tenth of the training records, which it holds back.
BOOSTING = {"learning_rate": 0.05, "max_leaf_nodes": 15, "max_iter": 500, "early_stopping": True}


def answers(config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table) -> dict[str, NDArray[Any]]:
    """See `evaluation.baseline.baseline_answers`."""
    validation = splits["validation"]
    # Each model is trained once, and asked both: what it is chosen by, and what is asked for.
    both = [table.select(config.data.features) for table in (validation, questions)]
    found = probabilities_of(config, splits, pa.concat_tables(both, promote_options="permissive"))
    best = _lowest_loss({name: found_NK[: len(validation)] for name, found_NK in found.items()}, validation, config)
    return {"probabilities": found[best][len(validation) :]}


def best_model(config: Config, splits: Mapping[SplitName, pa.Table]) -> str:
    """The model with the lower log loss on the validation split; the first of equal ones."""
    validation = splits["validation"]
    return _lowest_loss(probabilities_of(config, splits, validation), validation, config)


def _lowest_loss(found: Mapping[str, NDArray[np.float32]], validation: pa.Table, config: Config) -> str:
    labels_N = label_codes(validation["label"].to_pylist(), config.data.classes)
    places = list(range(len(config.data.classes)))
    return min(found, key=lambda name: float(log_loss(labels_N, found[name], labels=places)))


def probabilities_of(
    config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table
) -> dict[str, NDArray[np.float32]]:
    """Train both models on the training split; their probabilities (N, K), by "gradient boosting" and
    "logistic regression". A class without a record gets probability 0. The same input, the same answers.
    """
    spec = config.data
    assert isinstance(spec, TabularSpec)
    train = splits["train"]
    labels_N = label_codes(train["label"].to_pylist(), spec.classes)
    present = np.unique(labels_N)
    columns = Columns.of(train, spec)
    found: dict[str, NDArray[np.float32]] = {}
    for name, model in (
        ("gradient boosting", boosting_input(HistGradientBoostingClassifier, columns, BOOSTING, SEED)),
        ("logistic regression", linear_pipeline(LogisticRegression(max_iter=2000, C=0.1), columns)),
    ):
        probabilities_NK = np.zeros((len(questions), len(spec.classes)), dtype=np.float32)
        if len(present) == 1:  # nothing to tell apart
            probabilities_NK[:, present] = 1.0
        else:
            model.fit(columns.frame(train), labels_N)
            probabilities_NK[:, present] = model.predict_proba(columns.frame(questions))
        found[name] = probabilities_NK
    return found
