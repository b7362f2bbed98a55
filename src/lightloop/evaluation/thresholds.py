"""Mitigation without training: a threshold for each group, by fairlearn, fitted on the validation split.

It looks at the sensitive column for every answer, which the law may forbid; what it gains is bought with that.

Shapes: N records, R resamples, G groups.
Source: Hardt, Price & Srebro 2016 (arXiv:1610.02413).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from lightloop.config.schema import Config
from lightloop.evaluation.bootstrap import interval_of
from lightloop.evaluation.fairness import GAPS, RATIOS, Flags, GroupRates, flags, gap_estimates
from lightloop.evaluation.groups import Groups, Records
from lightloop.evaluation.metrics import Floats
from lightloop.evaluation.problem import Problem

Constraint = Literal["demographic_parity", "equalized_odds"]
CONSTRAINTS: tuple[Constraint, ...] = ("demographic_parity", "equalized_odds")
# The gap that each constraint is about.
AIM = {"demographic_parity": "demographic_parity_difference", "equalized_odds": "equalized_odds_difference"}


class Given(ClassifierMixin, BaseEstimator):
    """Probabilities as an estimator, as fairlearn wants one: a record is its probability."""

    classes_ = np.array([0, 1])

    def fit(self, x: Any, y: Any) -> "Given":
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        p_N = np.asarray(x, dtype=np.float64)[:, 0]
        return np.stack([1 - p_N, p_N], axis=1)


def threshold_content(
    config: Config,
    problem: Problem,
    predictions: pa.Table,
    validation: pa.Table,
    validation_answers_NK: NDArray[np.floating[Any]],
) -> dict[str, Any]:
    """The part `thresholds` of fairness.json.

    Args:
        config: of the run.
        problem: of its data, a classification.
        predictions: as predictions.parquet holds them.
        validation: the validation records, which thresholds are fitted on.
        validation_answers_NK: the model's probabilities of them.

    Returns:
        `applies`, `method`, `n` validation records; `columns`, one a sensitive column and constraint: `column`,
        `constraint`, `gaps_before`, `gaps_after`, `accuracy_before`, `accuracy_after`; `cost` (accuracy lost) and
        `gain` (of the gap that the constraint is about), paired on the same resamples; `n` test records.
        AUROC costs nothing: the probabilities stay as they are.
    """
    spec = problem.spec
    if spec.favourable is None:
        return {"applies": False, "why": "The data spec does not say which class is favourable (data.favourable)."}
    test, fitted = (Records.of(config, problem, table) for table in (predictions, validation))
    place = spec.classes.index(spec.favourable)
    answers = Answers(problem.written(predictions, "model")[:, place], validation_answers_NK[:, place])
    columns = [
        name
        for name in spec.with_role("sensitive")
        if name in predictions.column_names and name in validation.column_names
    ]
    return {
        "applies": True,
        "method": "fairlearn.postprocessing.ThresholdOptimizer, fitted on the validation split for accuracy",
        "n": len(validation),
        "columns": [_adjusted(test, fitted, answers, column, one) for column in columns for one in CONSTRAINTS],
    }


@dataclass(frozen=True)
class Answers:
    """The model's probabilities of the favourable class, of the test and of the validation records."""

    test_N: NDArray[Any]
    validation_N: NDArray[Any]


def _adjusted(test: Records, fitted: Records, answers: Answers, column: str, constraint: Constraint) -> dict[str, Any]:
    """One column under one constraint."""
    favourable = str(test.problem.spec.favourable)
    found: dict[str, Any] = {"column": column, "constraint": constraint}
    groups, learnt = test.groups(column), fitted.groups(column)
    meant_N = flags(fitted.table, "label", favourable)
    # Fitting needs both classes in each group, and a few records of them, else a threshold is chance.
    both = [name for name, rows_N in zip(learnt.names, learnt.rows, strict=True) if len(set(meant_N[rows_N])) == 2]
    names = [name for name in groups.names if name in both]
    if len(names) < 2:
        why = f"Fewer than two groups have {test.smallest} records and both classes in validation and test."
        return {**found, "applies": False, "why": why}
    test_N, test_names_N = _named(groups, names)
    fit_N, fit_names_N = _named(learnt, names)
    after_N = _answer(
        constraint,
        (answers.validation_N[fit_N], meant_N[fit_N], fit_names_N),
        (answers.test_N[test_N], test_names_N),
        test.how.seed,
    )
    part = test.only(test_N)
    kept = Groups(tuple(names), tuple(test_names_N == name for name in names), len(test) - len(part))
    label_N, before_N = (flags(part.table, name, favourable) for name in ("label", "prediction"))
    rates = {"before": GroupRates(kept, label_N, before_N), "after": GroupRates(kept, label_N, after_N)}
    return {**found, "applies": True, "n": len(part), **compare_rates(rates, part, AIM[constraint])}


def _named(groups: Groups, names: list[str]) -> tuple[Flags, NDArray[Any]]:
    """Which records (N,) are of the groups, and the name of the group of each of those."""
    rows = [groups.rows[groups.names.index(name)] for name in names]
    inside_N = np.any(rows, axis=0)
    names_N = np.select(rows, names, default="")
    return inside_N, names_N[inside_N]


def _answer(
    constraint: Constraint,
    fitted: tuple[NDArray[Any], Flags, NDArray[Any]],
    asked: tuple[NDArray[Any], NDArray[Any]],
    seed: int,
) -> Flags:
    """Whether each test record is given the favourable class. Between two thresholds lots are drawn, by the seed."""
    from fairlearn.postprocessing import ThresholdOptimizer

    (p_N, meant_N, names_N), (asked_N, asked_names_N) = fitted, asked
    optimizer = ThresholdOptimizer(
        estimator=Given(),
        constraints=constraint,
        objective="accuracy_score",
        prefit=True,
        predict_method="predict_proba",
    )
    optimizer.fit(p_N[:, None], meant_N.astype(int), sensitive_features=names_N)
    answers = optimizer.predict(asked_N[:, None], sensitive_features=asked_names_N, random_state=seed)
    return np.asarray(answers).astype(bool)


def compare_rates(rates: Mapping[str, GroupRates], records: Records, aim: str) -> dict[str, Any]:
    """Gaps and accuracy `before` and `after`, the `cost` in accuracy and the `gain` in the gap that is aimed at."""
    draws, how = records.draws, records.how
    found: dict[str, Any] = {}
    accuracy: dict[str, tuple[float, Floats]] = {}
    gap: dict[str, tuple[float, Floats]] = {}
    for when, one in rates.items():
        point, resampled = one.resampled(draws, how)
        right_N = (one.meant_N == one.given_N).astype(np.float64)
        shares = [weights_RN @ right_N / weights_RN.sum(1) for weights_RN in draws.counts(how.resamples, how.seed)]
        accuracy[when] = float(right_N.mean()), np.concatenate(shares)
        gap[when] = float(largest_gap(point, aim)[0]), largest_gap(resampled, aim)
        found[f"gaps_{when}"] = gap_estimates(point, resampled, how.confidence, GAPS, RATIOS)
        found[f"accuracy_{when}"] = asdict(interval_of(*accuracy[when], how.confidence))
    for name, values in (("cost", accuracy), ("gain", gap)):
        (before, befores_R), (after, afters_R) = values["before"], values["after"]
        found[name] = asdict(interval_of(before - after, befores_R - afters_R, how.confidence))
    return found


def largest_gap(rates: dict[str, Floats], aim: str) -> Floats:
    """The largest difference (R,) between two groups, of the rates that a gap is about."""
    spread = [rates[name].max(1) - rates[name].min(1) for name in GAPS[aim]]
    found: Floats = np.max(spread, axis=0)
    return found
