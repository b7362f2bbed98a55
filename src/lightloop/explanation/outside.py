"""Importance from outside the network, on the same splits, and how far attributions agree with it.

Shapes: N records, F features (columns, steps or tokens), D components, P positions, T tokens, R resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.feature_selection import RFE, mutual_info_classif, mutual_info_regression
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss
from sklearn.preprocessing import OrdinalEncoder

from lightloop.config.tabular import TabularSpec
from lightloop.data.records import label_codes
from lightloop.data.splits import SplitName
from lightloop.evaluation.baselines._table import Columns
from lightloop.explanation.curves import CONFIDENCE
from lightloop.explanation.findings import Findings
from lightloop.explanation.population import Population
from lightloop.explanation.tally import Floats, rounded
from lightloop.tasks.checkpoint import Model

# Records that are looked at, of the training split and of the test split.
MOST_TRAINING, MOST_TEST = 2000, 400
SHUFFLES = 3  # of each column
TREES, DEPTH, STEP = 20, 8, 2  # of the forests by which columns are eliminated, so many at a time
RESAMPLES = 2000
FEWEST = 5  # features, without which a rank correlation says nothing
SOURCES = {
    "mutual_information": "what the feature alone says about the target, in nats; doi:10.1103/PhysRevE.69.066138",
    "recursive_elimination": "how late a forest of trees does without the column; doi:10.1023/A:1012487302797",
    "permutation": "how much worse the network's answers are when the column is shuffled; doi:10.1023/A:1010933404324",
}


def outside(population: Population, tables: Mapping[SplitName, pa.Table], told: Mapping[str, float]) -> dict[str, Any]:
    """How important features are by measures that know nothing of attributions.

    Args:
        population: whose model and config it is.
        tables: the splits; mutual information and elimination look at training records, permutation at test records.
        told: the features that attributions tell of, by name.

    Returns:
        `applies`; `features`, names; `measures`: `name`, `about`, `split`, `n`, and `values` of the features in their
        order, higher is more important; the unit differs from measure to measure.
    """
    noun = population.subject.noun
    if noun == "pixels":
        return {"applies": False, "why": "A single pixel says nothing about an image by itself."}
    names = [name for name in told if noun != "columns" or name in population.config.data.features]
    if len(names) < 2:
        return {"applies": False, "why": f"There are fewer than two {noun} to compare."}
    train, test = _some(tables["train"], MOST_TRAINING), _some(tables["test"], MOST_TEST)
    measures = {"columns": _of_columns, "tokens": _of_tokens, "steps": _of_steps}[noun]
    rows = [
        {
            "name": name,
            "about": SOURCES[name],
            "split": split,
            "n": len({"train": train, "test": test}[split]),
            "values": [rounded(value) for value in values],
        }
        for name, split, values in measures(population, train, test, names)
    ]
    return {"applies": True, "features": names, "measures": rows}


def agreement(
    beside: Mapping[str, Any], told: Mapping[str, float], population: Population, found: Findings
) -> dict[str, Any]:
    """The rank correlation of attributions with importance from outside, and of the measures with each other.

    Args:
        beside: what `outside` returned.
        told: the mean size of attributions of records drawn at random, by name.
        population: they are of.
        found: attributions of the records of result.json, by method.

    Returns:
        `applies`; `resampled` (features: what intervals are about), `n` of them; `rows`: `first`, `second`, each with
        what it is (`method` or `measure`) in `first_kind` and `second_kind`, and `value`, `low`, `high`. The first rows
        are those of the method of global.json; other methods are compared by the records of result.json.
    """
    if not beside["applies"]:
        return dict(beside)
    names = beside["features"]
    if len(names) < FEWEST:
        return {"applies": False, "why": f"A rank correlation of fewer than {FEWEST} features says nothing."}
    measures = {row["name"]: np.array(row["values"]) for row in beside["measures"]}
    methods = {population.method: np.array([told[name] for name in names])}
    for name, method in found.methods.items():
        rows = {row["name"]: row["value"] for row in method.get("importance", [])}
        if name not in methods and all(one in rows for one in names):
            methods[name] = np.array([rows[one] for one in names])
    pairs = [(("method", first), ("measure", second)) for first in methods for second in measures]
    pairs += [(("measure", first), ("measure", second)) for first, second in combinations(measures, 2)]
    values = {"method": methods, "measure": measures}
    return {
        "applies": True,
        "resampled": "features",
        "n": len(names),
        "rows": [
            {
                "first_kind": kind,
                "first": first,
                "second_kind": other,
                "second": second,
                **spearman_interval(values[kind][first], values[other][second], population.seed),
            }
            for (kind, first), (other, second) in pairs
        ],
    }


def spearman_interval(first_F: Floats, second_F: Floats, seed: int) -> dict[str, float | None]:
    """Spearman's correlation with a percentile bootstrap over features; None where one of the two is constant.

    Examples:
        >>> spearman_interval(np.arange(9.0), np.arange(9.0) ** 2, seed=0)
        {'value': 1.0, 'low': 1.0, 'high': 1.0}
    """
    count = len(first_F)
    rows_RF = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    found = [_correlations(first_F[rows], second_F[rows]) for rows in (np.arange(count)[None], rows_RF)]
    if not np.isfinite(found[0][0]):
        return {"value": None, "low": None, "high": None}
    # A resample in which one of the two does not vary has no correlation.
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found[1][np.isfinite(found[1])], [tail, 1 - tail])
    return {"value": rounded(found[0][0]), "low": rounded(low), "high": rounded(high)}


def _correlations(first_RF: Floats, second_RF: Floats) -> Floats:
    """Spearman's correlation of each row, NaN where one of the two is constant."""
    first, second = (rankdata(values, axis=1) for values in (first_RF, second_RF))
    first, second = (ranks - ranks.mean(1, keepdims=True) for ranks in (first, second))
    below = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    above = (first * second).sum(1)
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


Measured = list[tuple[str, str, Sequence[float]]]


def _of_columns(population: Population, train: pa.Table, test: pa.Table, names: list[str]) -> Measured:
    spec = population.config.data
    assert isinstance(spec, TabularSpec)
    columns = Columns.of(train, spec)
    frame = columns.frame(train)[names]
    categories = [name for name in names if name in columns.categories]
    numbers = [name for name in names if name in columns.numbers]
    x_NF = pd.DataFrame(index=frame.index, columns=names, dtype=float)
    if numbers:
        x_NF[numbers] = SimpleImputer(strategy="median", keep_empty_features=True).fit_transform(frame[numbers])
    if categories:
        x_NF[categories] = OrdinalEncoder().fit_transform(frame[categories])
    target_N, classes = _target(population, train)
    forest = (ExtraTreesClassifier if classes else ExtraTreesRegressor)(TREES, max_depth=DEPTH, random_state=0)
    inform = mutual_info_classif if classes else mutual_info_regression
    values_NF = x_NF.to_numpy(float)
    discrete_F = np.array([name in categories for name in names])
    ranking_F = RFE(forest, n_features_to_select=1, step=STEP).fit(values_NF, target_N).ranking_
    return [
        ("mutual_information", "train", inform(values_NF, target_N, discrete_features=discrete_F, random_state=0)),
        ("recursive_elimination", "train", (len(names) - ranking_F).tolist()),
        ("permutation", "test", _permuted_columns(population, test, names)),
    ]


def _permuted_columns(population: Population, test: pa.Table, names: list[str]) -> Sequence[float]:
    """What is shuffled are row numbers, a column of them each, so that values keep their types."""

    def answers(rows_NF: NDArray[np.int64]) -> Floats:
        table = test
        for place, name in enumerate(names):
            if (rows_NF[:, place] != np.arange(len(test))).any():
                table = table.set_column(
                    table.schema.get_field_index(name), table.schema.field(name), test[name].take(rows_NF[:, place])
                )
        return _answers(population.model, table)

    rows_NF = np.repeat(np.arange(len(test))[:, None], len(names), axis=1)
    target_N, classes = _target(population, test)
    return _permutation(answers, rows_NF, target_N, classes=len(population.config.data.classes) if classes else 0)


def _of_tokens(population: Population, train: pa.Table, _: pa.Table, names: list[str]) -> Measured:
    """Mutual information of the class and whether a token is in the text at all."""
    preprocessor: Any = population.model.preprocessor
    (ids_NT,) = preprocessor.encode(train)
    place = {name: number for number, name in enumerate(names)}
    spelled = dict(enumerate(preprocessor.tokens(list(range(int(ids_NT.max()) + 1)))))
    present_NF = np.zeros((len(train), len(names)), dtype=bool)
    for row, ids_T in enumerate(ids_NT.tolist()):
        for one in set(ids_T):
            if spelled[one] in place:
                present_NF[row, place[spelled[one]]] = True
    target_N, classes = _target(population, train)
    inform = partial(mutual_info_classif if classes else mutual_info_regression, discrete_features=True, random_state=0)
    return [("mutual_information", "train", inform(present_NF, target_N))]


def _of_steps(population: Population, _: pa.Table, __: pa.Table, names: list[str]) -> Measured:
    """Permutation of steps among records drawn at random: raw values of a step mean something only beside the others.

    Numbers are judged by their mean, which is what is explained.
    """
    subject = population.subject

    @torch.no_grad()
    def answers(rows_NF: NDArray[np.int64]) -> Floats:
        rows = torch.from_numpy(np.ascontiguousarray(rows_NF))
        x_NDP = subject.x_NDP.gather(0, rows[:, None, :].expand(subject.x_NDP.shape))
        outputs_NO = subject.network(x_NDP, *subject.extras)
        return np.asarray((outputs_NO.softmax(1) if subject.probability else outputs_NO).double().numpy())

    rows_NF = np.repeat(np.arange(len(subject.x_NDP))[:, None], len(names), axis=1)
    target_N, classes = _target(population, population.records)
    values = _permutation(answers, rows_NF, target_N, classes=len(population.config.data.classes) if classes else 0)
    return [("permutation", "test", values)]


class _Asked(BaseEstimator):
    """What scikit-learn takes for an estimator: something that answers and was fitted before."""

    def __init__(self, answers: Callable[[NDArray[np.int64]], Floats]) -> None:
        self.answers = answers

    def fit(self, *_: object) -> "_Asked":
        return self

    def predict(self, rows_NF: NDArray[np.int64]) -> Floats:
        return self.answers(rows_NF)


def _permutation(
    answers: Callable[[NDArray[np.int64]], Floats], rows_NF: NDArray[np.int64], target_N: NDArray[Any], *, classes: int
) -> Sequence[float]:
    """By how much the log loss, or the squared error, rises when a feature is shuffled: (F,)."""

    def score(asked: _Asked, rows_NF: NDArray[np.int64], target_N: NDArray[Any]) -> float:
        found = asked.predict(rows_NF)
        if classes:
            # Calibrated probabilities of float32 sum to 1 but for rounding.
            p_NK = np.clip(found, 1e-7, 1.0)
            return -float(log_loss(target_N, p_NK / p_NK.sum(1, keepdims=True), labels=list(range(classes))))
        return -float(np.square(found.mean(1) - target_N).mean())

    found = permutation_importance(
        _Asked(answers), rows_NF, target_N, scoring=score, n_repeats=SHUFFLES, random_state=0
    )
    values: list[float] = found.importances_mean.tolist()
    return values


def _answers(model: Model, table: pa.Table) -> Floats:
    """Calibrated probabilities (N, K), or numbers (N, H)."""
    named = model.answers(table)
    return np.asarray(named["probabilities" if "probabilities" in named else "prediction"], dtype=float)


def _target(population: Population, table: pa.Table) -> tuple[NDArray[Any], bool]:
    """Class codes (N,), or the mean of each record's numbers; and which of the two it is."""
    spec, labels = population.config.data, table.column("label").to_pylist()
    if spec.problem == "classification":
        return label_codes(labels, spec.classes), True
    return np.array([np.mean(label) for label in labels], dtype=float), False


def _some(table: pa.Table, most: int) -> pa.Table:
    """Records evenly spaced, at most so many."""
    if len(table) <= most:
        return table
    return table.take(np.linspace(0, len(table) - 1, most).round().astype(int))
