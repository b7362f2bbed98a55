"""What folds and seeds say: intervals of a metric, and tests between settings. NumPy, SciPy and statsmodels, no torch.

Scores of folds are not independent: their training records overlap, so the usual variance of their mean is too small,
and tests with it find differences where there are none (in 20 % of cases instead of 5 %, in the first source). Nadeau &
Bengio correct it: (1 / J + n_held_out / n_training) times the variance of J scores. Bouckaert & Frank found the test
with it to be right for repeated folds as well.

Shapes: J scores of one setting, S settings.
Sources: Nadeau & Bengio 2003, Inference for the generalization error; Bouckaert & Frank 2004, Evaluating the
replicability of significance tests for comparing learning algorithms.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lightloop.config.metrics import signed
from lightloop.evaluation.comparison import holm

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """A metric over several trainings; None where it is undefined.

    Attributes:
        mean: over the scores.
        std: their standard deviation (J - 1).
        low, high: two-sided interval of the mean.
    """

    mean: float | None
    std: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """Two settings on the same folds and seeds, the second minus the first.

    Attributes:
        first, second: names of the settings.
        value: mean difference, in the metric's own unit and sign.
        low, high: two-sided interval.
        t: statistic; None where all differences are equal.
        p: of "no difference", two-sided.
        holm: the same, corrected for the number of pairs that are compared (Holm 1979).
    """

    first: str
    second: str
    value: float
    low: float
    high: float
    t: float | None
    p: float
    holm: float


def summarise(scores_J: Floats, ratio: float, *, confidence: float = 0.95) -> Summary:
    """Mean, standard deviation and interval of scores, by Student's t with the corrected variance.

    Args:
        scores_J: one a division of the records.
        ratio: held-out records a training record, which corrects the variance; 0 where scores are independent.
        confidence: of the interval.

    Examples:
        >>> summary = summarise(np.array([0.8, 0.9]), ratio=0.0)
        >>> round(summary.mean, 2), round(summary.std, 4)
        (0.85, 0.0707)
    """
    count = len(scores_J)
    if not count or not np.isfinite(scores_J).all():
        return Summary(None, None, None, None)
    mean = float(scores_J.mean())
    if count < 2:
        return Summary(mean, None, None, None)
    half = stats.t.ppf((1 + confidence) / 2, count - 1) * corrected_error(scores_J, ratio)
    return Summary(mean, float(scores_J.std(ddof=1)), float(mean - half), float(mean + half))


def corrected_error(values_J: Floats, ratio: float) -> float:
    """The standard error of the mean of J values whose training records overlap."""
    return float(math.sqrt((1 / len(values_J) + ratio) * values_J.var(ddof=1)))


def corrected_t_test(first_J: Floats, second_J: Floats, ratio: float) -> tuple[float | None, float]:
    """Statistic and two-sided p-value of the corrected resampled t-test, J - 1 degrees of freedom.

    Args:
        first_J: scores of one setting.
        second_J: of the other, on the same divisions, in the same order.
        ratio: held-out records a training record.

    Raises:
        ValueError: they are not two or more pairs.

    Examples:
        >>> t, p = corrected_t_test(np.array([0.80, 0.82, 0.81]), np.array([0.85, 0.86, 0.88]), ratio=0.5)
        >>> round(t, 2), round(p, 3)
        (3.82, 0.062)
    """
    if len(first_J) != len(second_J) or len(first_J) < 2:
        raise ValueError(f"two or more pairs of scores were expected, but {len(first_J)} and {len(second_J)} came")
    difference_J = second_J - first_J
    error = corrected_error(difference_J, ratio)
    if error <= 1e-15 * max(1.0, float(np.abs(first_J).max())):
        return None, 1.0 if np.allclose(difference_J, 0) else 0.0
    t = float(difference_J.mean() / error)
    return t, float(2 * stats.t.sf(abs(t), len(difference_J) - 1))


def compare_pairs(scores: Mapping[str, Floats], ratio: float, *, confidence: float = 0.95) -> list[Difference]:
    """All pairs of settings by the corrected resampled t-test, with Holm's correction over the pairs."""
    pairs = list(combinations(scores, 2))
    found = [corrected_t_test(scores[first], scores[second], ratio) for first, second in pairs]
    corrected = holm([p for _, p in found])
    differences = []
    for (first, second), (t, p), adjusted in zip(pairs, found, corrected, strict=True):
        difference_J = scores[second] - scores[first]
        half = stats.t.ppf((1 + confidence) / 2, len(difference_J) - 1) * corrected_error(difference_J, ratio)
        mean = float(difference_J.mean())
        differences.append(Difference(first, second, mean, float(mean - half), float(mean + half), t, p, adjusted))
    return differences


def repeated_anova(scores: Mapping[str, Floats], ratio: float = 0.0) -> tuple[float | None, float]:
    """F and p of "all settings are equal": analysis of variance for repeated measures over the divisions.

    With `ratio` F is divided by 1 + J * ratio, which is what the correction of the t-test does to t * t: with two
    settings both tests give the same p. Without, it is the classical one.

    Args:
        scores: (J,) of each of two or more settings, on the same divisions.
        ratio: held-out records a training record.

    Examples:
        >>> f, p = repeated_anova({"a": np.array([1.0, 2.0, 3.0]), "b": np.array([1.5, 2.0, 4.0])})
        >>> round(f, 2), round(p, 3)
        (3.0, 0.225)
    """
    values_JS = np.stack(list(scores.values()), axis=1)
    divisions, settings = values_JS.shape
    grand = values_JS.mean()
    between = divisions * ((values_JS.mean(0) - grand) ** 2).sum()
    residual_JS = values_JS - values_JS.mean(0) - values_JS.mean(1, keepdims=True) + grand
    error = (residual_JS**2).sum() / ((divisions - 1) * (settings - 1))
    if error <= 1e-30:
        return None, 1.0 if between <= 1e-30 else 0.0
    f = float(between / (settings - 1) / error / (1 + divisions * ratio))
    return f, float(stats.f.sf(f, settings - 1, (divisions - 1) * (settings - 1)))


def scores_by_division(members: Sequence[Mapping[str, Any]], metric: str, *, drawn: bool) -> Floats:
    """A setting's scores (J,) on one metric, one a division of the records.

    Where seeds draw other divisions each member is one. Where they do not (the order of time) the seeds of a fold are
    averaged, since scores on the same held-out records are no new evidence; a single fold leaves its seeds as they are.
    """
    value = {(row["fold"], row["seed"]): row["metrics"][metric] for row in members}
    folds = sorted({fold for fold, _ in value})
    if drawn or len(folds) == 1:
        found = [value[key] for key in sorted(value, key=lambda key: (key[1], key[0]))]
        return np.array([math.nan if score is None else score for score in found], dtype=np.float64)
    by_fold = [[score for (fold, _), score in value.items() if fold == wanted] for wanted in folds]
    return np.array([math.nan if None in scores else float(np.mean(scores)) for scores in by_fold], dtype=np.float64)


def compare_folds(
    challenger: Mapping[str, Any], champion: Mapping[str, Any], metric: str, confidence: float
) -> dict[str, Any]:
    """Two results of folds (`artifacts/folds/result.json`) on one metric, by the corrected resampled t-test.

    Returns:
        `applies`, or why not; `metric`, `n` divisions, `value` of the difference (positive: the challenger is better)
        with interval, `t` and `p`, two-sided.
    """
    divisions = [
        [(row["fold"], row["seed"], row["held_out"]) for row in result["members"]] for result in (challenger, champion)
    ]
    if divisions[0] != divisions[1]:
        return {"applies": False, "why": "The two did not hold out the same records."}
    if not all(metric in result["metrics"] for result in (challenger, champion)):
        return {"applies": False, "why": f"Not both of the two know {metric}."}
    drawn, ratio = bool(challenger["drawn"]), float(challenger["ratio"])
    ours_J, theirs_J = (scores_by_division(result["members"], metric, drawn=drawn) for result in (challenger, champion))
    if len(ours_J) < 2 or not np.isfinite([*ours_J, *theirs_J]).all():
        return {"applies": False, "why": f"{metric} is not defined on two divisions or more."}
    t, p = corrected_t_test(theirs_J, ours_J, ratio)
    difference_J = ours_J - theirs_J
    half = float(stats.t.ppf((1 + confidence) / 2, len(ours_J) - 1)) * corrected_error(difference_J, ratio)
    better, sign = signed(metric, float(difference_J.mean())), signed(metric, 1.0)
    return {
        "applies": True,
        "metric": metric,
        "n": len(ours_J),
        "value": better,
        "low": better - half,
        "high": better + half,
        "t": None if t is None else sign * t,
        "p": p,
    }
