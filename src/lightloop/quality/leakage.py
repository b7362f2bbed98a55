"""Does one feature alone give the target away? Then it is the target in another coding, or known only after it.

Shapes: N records, K classes.
"""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from lightloop.config.schema import AnySpec

Check = dict[str, Any]
NAME: Final = "feature_does_not_reveal_the_target"
# Of cross-validated AUROC (classes) or R2 (numbers): honest features of difficult problems stay far below. The
# strongest of the demo's, consumer credit history (`cons`), reaches 0.69.
MOST: Final = 0.95
FOLDS: Final = 5
DEPTH: Final = 4
SHOWN: Final = 5
WHY: Final = (
    "A feature that predicts the target nearly alone is the target in another coding, or becomes known only after it: "
    "give it the role ignored and say why."
)


def leakage_checks(spec: AnySpec, metadata: pd.DataFrame) -> list[Check]:
    """One check in the form of `quality.check`, critical; none where a record is no row of columns.

    Args:
        spec: the data set.
        metadata: of `quality.modality.read_metadata`; looked at are the training file's records with a label.
    """
    if spec.modality != "tabular" or spec.problem not in ("classification", "regression"):
        return []
    train = metadata[(metadata["part"] == "train") & metadata["label"].notna()]
    classes = spec.problem == "classification"
    found = {name: predictiveness(train[name], train["label"], classes=classes) for name in spec.features}
    known = {name: value for name, value in found.items() if value is not None}
    revealing = sorted((name for name, value in known.items() if value >= MOST), key=lambda name: -known[name])
    strongest = sorted(known, key=lambda name: (-known[name], name))
    shown = revealing or strongest[:SHOWN]
    return [
        {
            "name": NAME,
            "column": ", ".join(revealing) or None,
            "severity": "critical",
            "success": not revealing,
            "expected": {"max_auroc" if classes else "max_r2": MOST},
            "observed": {name: round(known[name], 4) for name in shown},
            "unexpected": None,
            "examples": [],
            "why": WHY,
        }
    ]


def revealed(refusals: list[Check]) -> str:
    """In words which features reveal the target, to be added to a sentence; empty where none does."""
    names = [str(check["column"]) for check in refusals if check["name"] == NAME]
    return f" (the target can be told from each of {', '.join(names)} alone)" if names else ""


def predictiveness(feature: pd.Series, target: pd.Series, *, classes: bool) -> float | None:
    """How well a shallow tree on one feature alone predicts the target of records that it was not fitted to.

    Args:
        feature: numbers, or text; gaps are a value of their own.
        target: labels, or numbers.
        classes: whether the target is a label.

    Returns:
        AUROC (mean over classes, one against the rest) or R2; None where there are too few records, or one class.

    Examples:
        >>> copy, noise = pd.Series(["a", "b"] * 50), pd.Series([0.0] * 100)
        >>> predictiveness(copy, copy, classes=True), predictiveness(noise, copy, classes=True)
        (1.0, 0.5)
    """
    values_N1 = (feature if pd.api.types.is_numeric_dtype(feature) else _codes(feature)).to_numpy()
    values_N1 = values_N1.astype(np.float64)[:, None]
    if not classes:
        return _r2(values_N1, target.to_numpy(np.float64))
    labels_N, names = pd.factorize(target, sort=True)
    if len(names) < 2 or np.bincount(labels_N).min() < FOLDS:
        return None
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=5, random_state=0)
    scores_NK = cross_val_predict(tree, values_N1, labels_N, cv=folds, method="predict_proba")
    per_class = [roc_auc_score(labels_N == place, scores_NK[:, place]) for place in range(len(names))]
    return float(np.mean(per_class))


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
