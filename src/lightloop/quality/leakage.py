"""Does one thing about a record alone give the target away? Then it is the target in another coding, or known after it.

What is looked at stands in `quality/<modality>/clues.py`: a table's features; an image's size, file and corners; the
tokens of a text; the length, gaps and flags of a series, and what a forecast repeats.

Shapes: N records, K classes.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from lightloop.config.schema import AnySpec
from lightloop.quality.modality import clues_of

Check = dict[str, Any]
NAME: Final = "feature_does_not_reveal_the_target"
FOLDS: Final = 5
DEPTH: Final = 4
# With fewer records of a class, some feature of many tells it by chance.
LEAST_OF_CLASS: Final = 10
# Enough to tell an AUROC of 0.95 from one of 0.9, and no more than seconds whatever the data set's size.
MOST_RECORDS: Final = 4_000
SHOWN: Final = 5
WHY: Final = (
    "What predicts the target nearly alone is the target in another coding, a trace of how the records were collected, "
    "or becomes known only after it: take it out and say why, or set data.leakage_limit."
)


def leakage_checks(spec: AnySpec, metadata: pd.DataFrame, root: Path) -> list[Check]:
    """One check in the form of `quality.check`, critical; none where nothing is predicted, or nothing is looked for.

    Args:
        spec: the data set; its `leakage_limit` is what no clue may reach.
        metadata: of `quality.modality.read_metadata`; looked at are the training file's records with a label.
        root: the project's folder.
    """
    limit = spec.leakage_limit
    if limit is None or spec.problem == "generation":
        return []
    train = metadata[metadata["part"] == "train"].reset_index(drop=True)
    # A forecast's parts are one series.
    looked_at = metadata if spec.problem == "forecasting" else sample(train[train["label"].notna()])
    found = {name: value for name, value in clues_of(spec, looked_at, root).items() if value is not None}
    strongest = sorted(found, key=lambda name: (-found[name], name))
    revealing = [name for name in strongest if found[name] >= limit]
    measure = {"classification": "auroc", "regression": "r2", "forecasting": "share"}[spec.problem]
    return [
        {
            "name": NAME,
            "column": ", ".join(revealing) or None,
            "severity": "critical",
            "success": not revealing,
            "expected": {f"max_{measure}": limit},
            "observed": {name: round(found[name], 4) for name in revealing or strongest[:SHOWN]},
            "unexpected": None,
            "examples": [],
            "why": WHY,
        }
    ]


def revealed(refusals: list[Check]) -> str:
    """In words which features reveal the target, to be added to a sentence; empty where none does."""
    names = [str(check["column"]) for check in refusals if check["name"] == NAME]
    return f" (the target can be told from each of {', '.join(names)} alone)" if names else ""


def sample(train: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST_RECORDS` records, in order; of classes as many of each as there can be. The same each time.

    Examples:
        >>> table = pd.DataFrame({"label": ["often"] * 9_000 + ["rare"] * 50})
        >>> sample(table)["label"].value_counts().to_dict()
        {'often': 2000, 'rare': 50}
    """
    if pd.api.types.is_numeric_dtype(train["label"]):
        return train.sample(min(len(train), MOST_RECORDS), random_state=0).sort_index()
    each = max(FOLDS * LEAST_OF_CLASS, MOST_RECORDS // max(1, train["label"].nunique()))
    shuffled = train.sample(frac=1, random_state=0)
    return shuffled[shuffled.groupby("label").cumcount() < each].sort_index()


def predictiveness(feature: pd.Series, target: pd.Series, *, classes: bool) -> float | None:
    """How well a shallow tree on one feature alone predicts the target of records that it was not fitted to.

    Args:
        feature: numbers, or text; gaps are a value of their own.
        target: labels, or numbers.
        classes: whether the target is a label.

    Returns:
        AUROC of the class that is told best from the rest, or R2; None where there are too few records, or one class.

    Examples:
        >>> copy, noise = pd.Series(["a", "b"] * 50), pd.Series([0.0] * 100)
        >>> predictiveness(copy, copy, classes=True), predictiveness(noise, copy, classes=True)
        (1.0, 0.5)
    """
    values_N1 = (feature if pd.api.types.is_numeric_dtype(feature) else _codes(feature)).to_numpy(
        np.float64, na_value=np.nan
    )[:, None]
    if not classes:
        return _r2(values_N1, target.to_numpy(np.float64))
    counts = target.value_counts()
    known_N = target.isin(counts.index[counts >= LEAST_OF_CLASS]).to_numpy()
    labels_N, names = pd.factorize(target[known_N], sort=True)
    if len(names) < 2:
        return None
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=5, random_state=0)
    scores_NK = cross_val_predict(tree, values_N1[known_N], labels_N, cv=folds, method="predict_proba")
    return max(float(roc_auc_score(labels_N == place, scores_NK[:, place])) for place in range(len(names)))


def _codes(feature: pd.Series) -> pd.Series:
    """Categories as numbers in the order of their frequency, so that no order of names decides."""
    texts = feature.astype("object").where(feature.notna(), "")
    order = texts.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    return texts.map({value: place for place, value in enumerate(order)})


def _r2(values_N1: NDArray[np.float64], target_N: NDArray[np.float64]) -> float | None:
    if len(target_N) < 2 * FOLDS or not target_N.std():
        return None
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    tree = DecisionTreeRegressor(max_depth=2 * DEPTH, min_samples_leaf=2, random_state=0)
    answers_N = cross_val_predict(tree, values_N1, target_N, cv=folds)
    return float(1 - np.square(answers_N - target_N).mean() / target_N.var())
