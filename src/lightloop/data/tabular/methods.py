"""The methods of preprocessing by name: each is a class or function of scikit-learn.

Shapes: N records, F columns.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, IsolationForest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next import possible
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectPercentile,
    VarianceThreshold,
    mutual_info_classif,
    mutual_info_regression,
)
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from lightloop.config.tabular import TabularPreprocess

Settings = TabularPreprocess
Floats = NDArray[np.floating[Any]]
SEED: Final = 0  # of methods that draw; what is fitted then depends on the data alone
TREES: Final = 50
# skl2onnx searches them in steps, each of which makes its conversion several times slower: 200 take half a minute.
QUANTILES: Final = 31

# These measure distances between columns, so the columns are standardised before them.
ON_STANDARDISED: Final = ("knn", "iterative")

IMPUTERS: dict[str, Callable[[Settings], Any]] = {
    "mean": lambda _: SimpleImputer(strategy="mean"),
    "median": lambda _: SimpleImputer(strategy="median"),
    "mode": lambda _: SimpleImputer(strategy="most_frequent"),
    "constant": lambda said: SimpleImputer(strategy="constant", fill_value=said.constant),
    "knn": lambda said: KNNImputer(n_neighbors=said.neighbours),
    "iterative": lambda said: IterativeImputer(max_iter=said.rounds, random_state=SEED),
}

# `quantile` gives ranks, spread evenly: the normal quantile function has no counterpart in ONNX.
SCALERS: dict[str, Callable[[Settings, int], Any]] = {
    "standard": lambda *_: StandardScaler(),
    "min_max": lambda said, _: MinMaxScaler(feature_range=said.scale_range),
    "robust": lambda *_: RobustScaler(),
    "quantile": lambda _, records: make_pipeline(
        QuantileTransformer(n_quantiles=min(records, QUANTILES), random_state=SEED), StandardScaler()
    ),
}


def z_score_limits(values_NF: Floats, limit: float | None) -> tuple[Floats, Floats]:
    """Mean minus and plus `limit` (3) deviations of each column."""
    width_F = (3.0 if limit is None else limit) * np.nanstd(values_NF, axis=0)
    middle_F = np.nanmean(values_NF, axis=0)
    return middle_F - width_F, middle_F + width_F


def iqr_limits(values_NF: Floats, limit: float | None) -> tuple[Floats, Floats]:
    """`limit` (1.5) times the distance of the quartiles below the first and above the third (Tukey 1977)."""
    first_F, third_F = np.nanquantile(values_NF, [0.25, 0.75], axis=0)
    # Where at least half of the values are the same, the others are no outliers.
    distance_F = np.where(third_F > first_F, third_F - first_F, np.inf)
    width_F = (1.5 if limit is None else limit) * distance_F
    return first_F - width_F, third_F + width_F


LIMITS: dict[str, Callable[[Floats, float | None], tuple[Floats, Floats]]] = {
    "z_score": z_score_limits,
    "iqr": iqr_limits,
}


def isolation_forest() -> IsolationForest:
    """The forest that finds records that are few and different (Liu, Ting & Zhou 2008)."""
    return IsolationForest(n_estimators=TREES, random_state=SEED)


def one_hot(categories: list[Any]) -> OneHotEncoder:
    """A column of 0 and 1 for each category; all 0 for rare and unknown ones."""
    return OneHotEncoder(categories=categories, handle_unknown="ignore", sparse_output=False, dtype=np.float32)


def codes(categories: list[Any]) -> OrdinalEncoder:
    """The place of each category; -1 for rare and unknown ones."""
    return OrdinalEncoder(categories=categories, handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.int64)


def ranks(categories: list[Any]) -> Any:
    """The place of each category, standardised; missing and unknown ones lie below the lowest."""
    return make_pipeline(codes(categories), StandardScaler())


def hasher(buckets: int) -> FeatureHasher:
    """The hashing trick for one column (Weinberger et al. 2009, arXiv:0902.2206)."""
    return FeatureHasher(n_features=buckets, input_type="string", dtype=np.float32)


def _linear(classes: bool, penalised: bool) -> Any:
    if not classes:
        return Lasso(alpha=0.01) if penalised else LinearRegression()
    if penalised:
        return LogisticRegression(l1_ratio=1.0, solver="liblinear", C=0.1, random_state=SEED)
    return LogisticRegression(max_iter=500)


def _forest(classes: bool) -> Any:
    return (ExtraTreesClassifier if classes else ExtraTreesRegressor)(n_estimators=TREES, random_state=SEED)


# Given settings, whether the target is a class, and how many columns to keep.
SELECTORS: dict[str, Callable[[Settings, bool, int], Any]] = {
    "variance": lambda said, *_: VarianceThreshold(said.min_variance),
    "mutual_information": lambda said, classes, _: SelectPercentile(
        partial(mutual_info_classif if classes else mutual_info_regression, random_state=SEED),
        percentile=100 * said.selected,
    ),
    "recursive": lambda _, classes, kept: RFE(_linear(classes, penalised=False), n_features_to_select=kept),
    "l1": lambda _, classes, kept: SelectFromModel(_linear(classes, penalised=True), max_features=kept, threshold=1e-6),
    "model": lambda _, classes, kept: SelectFromModel(_forest(classes), max_features=kept, threshold=-np.inf),
}

# Given how many components there are to be.
EXTRACTORS: dict[str, Callable[[int], Any]] = {
    "pca": lambda components: PCA(components, svd_solver="full"),
    "lda": lambda components: LinearDiscriminantAnalysis(n_components=components),
}
