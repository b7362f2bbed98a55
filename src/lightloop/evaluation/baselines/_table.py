"""Raw columns for the simpler models of tables: no step is shared with the network's preprocessing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from lightloop.config.tabular import TabularSpec

MOST_CATEGORIES = 250  # gradient boosting takes at most 255


@dataclass(frozen=True)
class Columns:
    """The features of a table by what they hold."""

    numbers: list[str]
    categories: list[str]

    @classmethod
    def of(cls, train: pa.Table, spec: TabularSpec) -> "Columns":
        numbers = [name for name in spec.features if pa.types.is_floating(train.schema.field(name).type)]
        return cls(numbers, [name for name in spec.features if name not in numbers])

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """The features alone; a missing category is the text "missing"."""
        numbers = {name: table.column(name).to_numpy().astype(np.float64) for name in self.numbers}
        texts = {
            name: np.array([text if text else "missing" for text in table.column(name).to_pylist()], dtype=object)
            for name in self.categories
        }
        return pd.DataFrame(numbers | texts)


def boosting_input(model: type, columns: Columns, options: dict[str, Any], seed: int) -> Pipeline:
    """Gradient boosting with categories as categories and missing numbers as they are."""
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=MOST_CATEGORIES, dtype=np.float64
    )
    encode = make_column_transformer((encoder, columns.categories), remainder="passthrough")
    places = list(range(len(columns.categories)))
    return make_pipeline(encode, model(**options, categorical_features=places, random_state=seed))


def linear_pipeline(model: Any, columns: Columns) -> Pipeline:
    """A linear model on standardised numbers, with the median for missing ones, and on one-hot categories."""
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(make_column_transformer((numbers, columns.numbers), (categories, columns.categories)), model)
