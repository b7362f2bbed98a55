"""Which columns give the target away: codings of it, parts of it, what is known only afterwards. No torch.

A measurement may honestly tell the target nearly alone; a coding of it always does. So what maps to the target one to
one, or is a part of a sum that is the target, is left out; what is only very strong stays, and is warned of.

Shapes: N records, F columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from lightloop.adoption.model import Finding
from lightloop.adoption.names import AFTERWARDS, DURATIONS, EVENTS, ends_with, says
from lightloop.adoption.values import Values
from lightloop.data.tabular.input import as_categories

# As `DataSpec.leakage_limit`: above it the data check refuses a feature.
LIMIT: Final = 0.95
# What is called after an outcome, and tells the target so well.
CALLED_SO: Final = 0.8
# What tells the target so well is warned of where other columns give it away.
COMPANY: Final = 0.8
# A column whose gaps alone tell the target so well is filled in after it.
GAPS: Final = 0.85
# Of fewer records an honest measurement may divide two classes without a mistake.
LEAST_FOR_BOUND: Final = 100
# Share of the records from which on a value of a number is a kind of its own, such as none at all.
MASS: Final = 0.1
# Records of the other class that a flag should go with by chance, for it to be seen that it goes with none.
LEAST_EXPECTED: Final = 30
# Values of a flag or a code.
MOST_VALUES: Final = 12
SAME_RANK: Final = 0.99999
LEAST: Final = 20
MOST_COLUMNS: Final = 60
MOST_RECORDS: Final = 4_000
# Columns of numbers that are looked at one by one, a twentieth of a second each.
MOST_LOOKED_AT: Final = 150


@dataclass(frozen=True)
class Leak:
    """How a column gives the target away.

    Attributes:
        column: its name in the source.
        kind: a `coding` of it, a `part` of it, known `afterwards`, or `strong`: it tells the target nearly alone.
        confidence: that it is one, 0 to 1.
        reason: one clause.
        score: cross-validated AUROC or R2 of the column alone; None where it was not needed.
    """

    column: str
    kind: Literal["coding", "part", "afterwards", "strong"]
    confidence: float
    reason: str
    score: float | None = None


def find_leaks(values: Mapping[str, Values], names: Sequence[str], target: str, *, classes: bool) -> tuple[Leak, ...]:
    """The leaks among some columns of numbers and categories.

    Args:
        values: by name in the source.
        names: of the columns that would be features.
        target: its name in the source.
        classes: whether the target is a class.
    """
    wanted = values[target]
    if wanted.known < LEAST:
        return ()
    labels = _labels(wanted) if classes else pd.Series(wanted.numbers())
    known_N = labels.notna().to_numpy()
    found: dict[str, Leak] = {}
    if not classes:
        found |= {leak.column: leak for leak in _parts(values, names, wanted, known_N)}
        for name in names:
            part = None if name in found else _share_of_number(values[name], wanted)
            if part is not None:
                found[name] = part
    rows_N = _sampled(labels, known_N, classes=classes)
    scores: dict[str, float] = {}
    for name in _strongest(values, names, labels, rows_N, classes=classes):
        if name not in found:
            leak = _leak(values[name], labels, known_N, rows_N, target, classes=classes)
            if isinstance(leak, Leak):
                found[name] = leak
            elif leak is not None:
                scores[name] = leak
    # Where some columns are known only afterwards, others that tell the target well often are as well.
    if any(leak.kind != "strong" for leak in found.values()):
        for name, score in scores.items():
            if name not in found and score >= COMPANY:
                reason = f"it tells the target well ({score:.2f}), and other columns here are known only with it"
                found[name] = Leak(name, "strong", 0.4, reason, score)
    return tuple(found[name] for name in names if name in found)


def _leak(  # noqa: PLR0911 - a kind of leak each
    column: Values,
    labels: "pd.Series[Any]",
    known_N: NDArray[np.bool_],
    rows_N: NDArray[np.int64],
    target: str,
    *,
    classes: bool,
) -> Leak | float | None:
    """A leak, or how well the column tells the target where it is none."""
    # Late: scikit-learn takes a second.
    from lightloop.quality.leakage import predictiveness

    feature = _feature(column)
    coding = _coding(feature[known_N], labels[known_N], column, classes=classes)
    if coding is not None:
        return Leak(column.name, "coding", *coding)
    score = predictiveness(
        feature.iloc[rows_N].reset_index(drop=True), labels.iloc[rows_N].reset_index(drop=True), classes=classes
    )
    after = says(column.name, AFTERWARDS)
    if after and score is not None and score >= CALLED_SO:
        reason = f"{after!r} in the name: known only afterwards, and it tells the target ({score:.2f})"
        return Leak(column.name, "afterwards", 0.8, reason, score)
    if classes and 0.05 <= column.missing <= 0.95:
        gaps = predictiveness(
            feature.isna().astype(float).iloc[rows_N].reset_index(drop=True),
            labels.iloc[rows_N].reset_index(drop=True),
            classes=True,
        )
        if gaps is not None and gaps >= GAPS:
            reason = f"whether it is filled in tells the target ({gaps:.2f}): it is known only afterwards"
            return Leak(column.name, "afterwards", 0.75, reason, gaps)
    if classes and column.holds == "number" and ends_with(column.name, DURATIONS) and ends_with(target, EVENTS):
        reason = "it is how long was waited for what is predicted, which is known only afterwards"
        return Leak(column.name, "afterwards", 0.65, reason, score)
    one_sided = _one_sided(feature[known_N], labels[known_N], column) if classes else None
    if one_sided is not None:
        return one_sided
    if score is not None and score >= LIMIT:
        measure = "AUROC" if classes else "R2"
        return Leak(column.name, "strong", 0.5, f"it tells the target nearly alone ({measure} {score:.3f})", score)
    return score


def _coding(  # noqa: PLR0911 - a kind of coding each
    feature: "pd.Series[Any]", labels: "pd.Series[Any]", column: Values, *, classes: bool
) -> tuple[float, str] | None:
    """Whether the column is the target in another coding: how sure, and why."""
    both = pd.DataFrame({"feature": feature.to_numpy(), "label": labels.to_numpy()}).dropna()
    if len(both) < LEAST:
        return None
    if not classes:
        if both["feature"].nunique() <= 3 or not pd.api.types.is_numeric_dtype(both["feature"]):
            return None
        same = abs(_correlation(rankdata(both["feature"]), rankdata(both["label"])))
        return (0.95, "it has the order of the target, record by record") if same >= SAME_RANK else None
    if both["label"].nunique() < 2:
        return None
    told = both.groupby("feature", sort=False)["label"].nunique()
    each = len(told) / both["label"].nunique()
    if (told > 1).any() or len(told) > 0.2 * len(both):
        return _threshold(both, column)
    if len(told) == both["label"].nunique():
        return 0.97, "it is the target in another coding: each value stands for one class"
    # A category that is finer than the classes may be the answer in more words, or an honest cause.
    return (0.8 if each <= 4 else 0.65), f"each of its {len(told)} values stands for one class alone"


def _one_sided(feature: "pd.Series[Any]", labels: "pd.Series[Any]", column: Values) -> Leak | None:
    """A flag or code that, where it is set, goes with one class alone, though another one is common: it may be set
    because of the class.
    """
    if labels.nunique() != 2 or column.distinct > MOST_VALUES or column.holds not in ("number", "text", "boolean"):
        return None
    usual = feature.mode().iloc[0]
    is_set = feature.notna() & (feature != usual)
    share = labels.value_counts(normalize=True)
    of_set = labels[is_set].value_counts()
    if not is_set.sum() or not len(of_set):
        return None
    other = int(is_set.sum() - of_set.iloc[0])
    expected = float(is_set.sum() * (1 - share[of_set.index[0]]))
    if expected < LEAST_EXPECTED or other > 0.01 * is_set.sum():
        return None
    reason = (
        f"where it is not {usual!s}, the target is {of_set.index[0]!s} in all but {other} of {is_set.sum()} records"
    )
    if other == 0 and column.distinct == 2:
        return Leak(column.name, "afterwards", 0.65, f"{reason}: it may be known only afterwards")
    return Leak(column.name, "strong", 0.5, reason)


def _threshold(both: pd.DataFrame, column: Values) -> tuple[float, str] | None:
    """Of two classes, whether a number says them without one mistake: the target was made of it by a bound."""
    if column.holds != "number" or both["label"].nunique() != 2 or len(both) < LEAST_FOR_BOUND:
        return None
    groups = [group["feature"] for _, group in both.groupby("label")]
    apart = groups[0].max() < groups[1].min() or groups[1].max() < groups[0].min()
    return (0.75, "a bound on it divides the classes without one mistake") if apart else None


def _parts(
    values: Mapping[str, Values], names: Sequence[str], target: Values, known_N: NDArray[np.bool_]
) -> list[Leak]:
    """Columns whose weighted sum is the target exactly, such as counts of two kinds beside the count of all."""
    able = [name for name in names if values[name].holds == "number" and values[name].missing < 0.5][:MOST_COLUMNS]
    if not able or target.distinct < LEAST:
        return []
    x_NF = np.stack([values[name].numbers() for name in able], 1)[known_N]
    y_N = target.numbers()[known_N]
    whole_N = ~np.isnan(x_NF).any(1)
    x_NF, y_N = x_NF[whole_N][:MOST_RECORDS], y_N[whole_N][:MOST_RECORDS]
    if len(y_N) < 3 * (len(able) + 1) or y_N.std() == 0:
        return []
    centre_F, scale_F = x_NF.mean(0), x_NF.std(0)
    kept = np.flatnonzero(scale_F > 0)
    z_NF = (x_NF[:, kept] - centre_F[kept]) / scale_F[kept]
    wanted_N = (y_N - y_N.mean()) / y_N.std()
    weight_F, *_ = np.linalg.lstsq(z_NF, wanted_N, rcond=1e-9)
    # Numbers are often stored with single precision.
    exact = max(1e-6, 4 * float(np.finfo(np.float32).eps * np.abs(y_N).max() / y_N.std()))
    if np.abs(z_NF @ weight_F - wanted_N).max() > exact:
        return []
    strong = [able[place] for place, weight in zip(kept, weight_F, strict=True) if abs(weight) > 1e-4]
    together = ", ".join(strong)
    return [Leak(name, "part", 0.9, f"the target is computed exactly from {together}") for name in strong]


def _strongest(
    values: Mapping[str, Values],
    names: Sequence[str],
    labels: "pd.Series[Any]",
    rows_N: NDArray[np.int64],
    *,
    classes: bool,
) -> list[str]:
    """Of very many columns all that are no numbers, and the numbers that tell most of the target by analysis of
    variance or correlation: a leak is among them.
    """
    numbers = [name for name in names if values[name].holds == "number"]
    if len(numbers) <= MOST_LOOKED_AT:
        return list(names)
    from sklearn.feature_selection import f_classif, f_regression

    x_NF = np.nan_to_num(np.stack([values[name].numbers()[rows_N] for name in numbers], 1))
    varied = x_NF.std(0) > 0
    y_N = pd.factorize(labels.iloc[rows_N])[0] if classes else labels.iloc[rows_N].to_numpy(np.float64)
    score_F = np.full(len(numbers), -1.0)
    score_F[varied] = np.nan_to_num((f_classif if classes else f_regression)(x_NF[:, varied], y_N)[0], posinf=1e300)
    kept = {numbers[place] for place in np.argsort(-score_F, kind="stable")[:MOST_LOOKED_AT]}
    return [name for name in names if name in kept or values[name].holds != "number"]


def _share_of_number(column: Values, target: Values) -> Leak | None:
    """A column that says whether the target is its commonest value, or counts some of what the target counts."""
    y_N, x_N = target.numbers(), (column.numbers() if column.holds == "number" else None)
    counts = pd.Series(y_N).value_counts()
    value, share = counts.index[0], counts.iloc[0] / counts.sum()
    known_N = ~np.isnan(y_N)
    if MASS <= share <= 1 - MASS and column.distinct <= 3:
        both = pd.DataFrame({"feature": _feature(column)[known_N].to_numpy(), "is": y_N[known_N] == value}).dropna()
        told = both.groupby("feature")["is"].nunique()
        if len(both) >= LEAST and len(told) > 1 and (told == 1).all() and both["is"].nunique() == 2:
            return Leak(column.name, "coding", 0.9, f"it says whether the target is {value:g}, in each record")
    if x_N is None or not (column.whole and target.whole) or np.nanmin(x_N) < 0:
        return None
    there_N = known_N & (x_N > 0)
    less = bool((x_N[there_N] <= y_N[there_N]).all())
    if there_N.sum() >= LEAST and less and (x_N[there_N] == y_N[there_N]).mean() >= MASS and column.distinct > 2:
        return Leak(column.name, "part", 0.75, "it is never larger than the target and often the same: a part of it")
    return None


def _feature(column: Values) -> "pd.Series[Any]":
    if column.holds == "number":
        return pd.Series(column.numbers())
    return pd.Series(column.array.cast("string").to_pylist(), dtype="object")


def _labels(target: Values) -> "pd.Series[Any]":
    return pd.Series(as_categories(target.array, target.name).to_pylist(), dtype="object").replace("", None)


def _sampled(labels: "pd.Series[Any]", known_N: NDArray[np.bool_], *, classes: bool) -> NDArray[np.int64]:
    """Rows that are looked at, as the data check draws them."""
    from lightloop.quality.leakage import sample

    known = pd.DataFrame({"label": labels[known_N]})
    if classes:
        known["label"] = known["label"].astype("str")
    return np.asarray(sample(known).index.to_numpy(), dtype=np.int64)


def _correlation(first_N: NDArray[np.float64], second_N: NDArray[np.float64]) -> float:
    if first_N.std() == 0 or second_N.std() == 0:
        return 0.0
    return float(np.corrcoef(first_N, second_N)[0, 1])


def about_leak(leak: Leak, name: str) -> Finding:
    """What a person is told of a column that gives the target away, and what to do."""
    if leak.kind == "strong":
        advice = (
            "it stays a feature; leave it out if it is a coding of the target or known only afterwards, since figures "
            "are worth nothing then"
        )
        return Finding("strong feature", "warning", (name,), f"{name!r} gives the target away: {leak.reason}", advice)
    kind = {"coding": "leak", "part": "leak", "afterwards": "known only afterwards"}[leak.kind]
    advice = "it is left out; say that it is a feature if it is known when the model is asked"
    return Finding(kind, "critical", (name,), f"{name!r} gives the target away: {leak.reason}", advice)
