"""evaluation/calibration.json: whether the model is as often right as it says, before and after scaling.

Shapes: N records, K classes, H numbers of one answer, Q quantiles, S simulations, B bins.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.calibration.rules import Calibration, Conformal, Decision
from lightloop.config.schema import Config
from lightloop.data.records import label_codes
from lightloop.evaluation.bootstrap import interval_of, intervals, paired_draws
from lightloop.evaluation.draws import Draws, draws_of
from lightloop.evaluation.evidence import Resampling, matrix, plain
from lightloop.evaluation.figures import mean_of, wilson, with_intervals
from lightloop.evaluation.metrics import BINS, WeightedMetrics, bins_of
from lightloop.evaluation.numbers import labels_of, quantiles_of

NAMES = ("log_loss", "brier", "ece")
DECIDED = ("accuracy", "balanced_accuracy", "macro_f1")
SIMULATIONS = 200


def calibration_content(config: Config, predictions: pa.Table, found: dict[str, Any]) -> dict[str, Any]:
    """What the file holds.

    Args:
        config: of the run.
        predictions: as predictions.parquet holds them.
        found: artifacts/calibration.json.

    Returns:
        `applies`, or why not; of classes see `of_classes`, of numbers `of_numbers`.
    """
    if config.data.problem == "generation":
        return {"applies": False, "why": "images that were generated have no probability that could be calibrated"}
    if config.data.problem == "classification":
        return of_classes(config, predictions, found)
    if not found["applies"]:
        return {"applies": False, "why": found["why"]}
    return of_numbers(config, predictions, found)


def of_classes(config: Config, predictions: pa.Table, found: dict[str, Any]) -> dict[str, Any]:
    """Curves and errors of the raw (`before`) and of the released (`after`) probabilities on the test split.

    Returns:
        `n`, `confidence`, `bins`, `scaling`; `before` and `after`, see `judged`; `difference`: by metric how much
        better after is (positive is better); `decision`: its name, and by metric the figures of the rule, of the most
        probable class and their difference; with costs also the mean `cost`. `fitted` is false where nothing was.
    """
    how, draws = Resampling.of(config), draws_of(config.data, predictions)
    labels_N = label_codes(predictions.column("label").to_pylist(), config.data.classes)
    after_NK = matrix(predictions, "probabilities")
    before_NK = (
        matrix(predictions, "raw_probabilities") if "raw_probabilities" in predictions.column_names else after_NK
    )
    released = Calibration.model_validate(found["released"]) if found["applies"] else Calibration()
    before, after = (WeightedMetrics(labels_N, p_NK, NAMES, draws=draws) for p_NK in (before_NK, after_NK))
    return {
        "applies": True,
        "fitted": found["applies"],
        "why": found.get("why"),
        "n": len(labels_N),
        "confidence": how.confidence,
        "resamples": how.resamples,
        "bins": BINS,
        "scaling": {"name": released.scaling.name, "temperature": released.scaling.temperature},
        "before": judged(before, before_NK, how),
        "after": judged(after, after_NK, how),
        "difference": _differences(after, before, NAMES, how),
        "decision": _decision(labels_N, after_NK, released.decision, draws, how),
    }


def judged(metrics: WeightedMetrics, p_NK: NDArray[np.float64], how: Resampling) -> dict[str, Any]:
    """Log loss, Brier score and calibration error with intervals, and the curve.

    The calibration error (ECE) is a sum of absolute values, to which noise only adds: `bias` is how much resampling
    adds, `debiased` is what is left of the error without as much, and `if_calibrated` what a perfectly calibrated model
    with the same confidences would show on as many records.

    `curve` has a row a bin: `low`, `high`, `n`, mean `confidence`, and `accuracy` with Wilson's interval.
    """
    found: dict[str, Any] = plain(intervals(metrics, **asdict(how)))
    errors = WeightedMetrics(metrics.labels_N, p_NK, ("ece",), draws=metrics.draws)
    ece_R = np.concatenate(
        [errors.scores(weights_RN)["ece"] for weights_RN in metrics.draws.counts(how.resamples, how.seed)]
    )
    value = found["ece"]["value"]
    bias = float(ece_R.mean() - value)
    confidence_N, place_N = p_NK.max(1), bins_of(p_NK.max(1))
    found["ece"] |= {
        "bias": bias,
        "debiased": max(0.0, value - bias),
        "if_calibrated": ece_if_calibrated(confidence_N, place_N, how.seed),
    }
    right_N = p_NK.argmax(1) == metrics.labels_N
    edges = np.linspace(0, 1, BINS + 1)
    curve = []
    for place in range(BINS):
        inside = place_N == place
        n = int(inside.sum())
        mean = float(confidence_N[inside].mean()) if n else None
        accuracy = wilson(int(right_N[inside].sum()), n, how.confidence)
        row = {"low": float(edges[place]), "high": float(edges[place + 1]), "n": n}
        curve.append({**row, "confidence": mean, "accuracy": accuracy})
    return {**found, "curve": curve}


def ece_if_calibrated(confidence_N: NDArray[np.float64], place_N: NDArray[np.int64], seed: int) -> float:
    """The mean calibration error of answers that are right as often as their confidence says (Bröcker & Smith 2007)."""
    draws_SN = np.random.default_rng(seed).random((SIMULATIONS, len(confidence_N))) < confidence_N
    inside_NB = (place_N[:, None] == np.arange(BINS)).astype(np.float64)
    return float(np.abs((confidence_N - draws_SN) @ inside_NB).sum(1).mean() / len(confidence_N))


def _differences(
    after: WeightedMetrics, before: WeightedMetrics, names: tuple[str, ...], how: Resampling
) -> dict[str, Any]:
    draws = paired_draws(after, before, names, resamples=how.resamples, seed=how.seed)
    return plain({name: interval_of(point[0], draws_R, how.confidence) for name, (point, draws_R) in draws.items()})


def _decision(
    labels_N: NDArray[np.int64], p_NK: NDArray[np.float64], rule: Decision, draws: Draws, how: Resampling
) -> dict[str, Any]:
    codes_N = rule.decide(p_NK)
    ours, plainly = (
        WeightedMetrics(labels_N, p_NK, DECIDED, draws=draws, decided_N=decided_N)
        for decided_N in (codes_N, p_NK.argmax(1))
    )
    found: dict[str, Any] = {
        "name": rule.name,
        "changed": int((codes_N != p_NK.argmax(1)).sum()),
        "rule": plain(intervals(ours, **asdict(how))),
        "argmax": plain(intervals(plainly, **asdict(how))),
        "difference": _differences(ours, plainly, DECIDED, how),
    }
    if rule.name == "costs":
        costs_KK = np.array(rule.costs)
        cost_N, other_N = costs_KK[labels_N, codes_N], costs_KK[labels_N, p_NK.argmax(1)]
        figures = {"rule": mean_of(cost_N), "argmax": mean_of(other_N), "saved": mean_of(other_N - cost_N)}
        found["cost"] = with_intervals(draws, figures, how)
    return found


def of_numbers(config: Config, predictions: pa.Table, found: dict[str, Any]) -> dict[str, Any]:
    """Coverage by level, and where truths fall among what validation led to expect.

    Returns:
        `n`, `confidence`, `score`; `curve`: a row a level with the share of truths in the conformal interval, over all
        steps; `places`: shares of truths in each tenth of the validation residuals, of a calibrated model 0.1 each;
        `quantiles`: of a network that answers some, a row each: `level`, and the share of truths below it.
    """
    released = Calibration.model_validate(found["released"])
    labels_NH, answers_NH = labels_of(predictions), matrix(predictions, "prediction")
    quantiles_NHQ = quantiles_of(predictions, labels_NH.shape[1])
    how, draws = Resampling.of(config), draws_of(config.data, predictions, block=labels_NH.shape[1])
    more = released.model_copy(update={"conformal": Conformal.model_validate(found["curve"])})
    assert more.conformal
    covered = {
        f"{one.level:g}": mean_of(inside(labels_NH, more.intervals(answers_NH, quantiles_NHQ, one.level)).mean(1))
        for one in more.conformal.levels
    }
    curve = with_intervals(draws, covered, how)
    residuals_H9 = np.array(found["residuals"])
    place_NH = (labels_NH - answers_NH)[:, :, None] > residuals_H9
    counts = np.bincount(place_NH.sum(2).ravel(), minlength=residuals_H9.shape[1] + 1)
    rows = []
    if quantiles_NHQ is not None:
        levels = getattr(config.loss, "levels", ())
        below = {f"{q:g}": mean_of((labels_NH <= quantiles_NHQ[:, :, i]).mean(1)) for i, q in enumerate(levels)}
        shares = with_intervals(draws, below, how)
        rows = [{"level": level, "below": shares[f"{level:g}"]} for level in levels]
    return {
        "applies": True,
        "fitted": True,
        "n": len(labels_NH),
        "confidence": how.confidence,
        "resamples": how.resamples,
        "score": more.conformal.score,
        "curve": [{"level": one.level, "coverage": curve[f"{one.level:g}"]} for one in more.conformal.levels],
        "places": (counts / counts.sum()).tolist(),
        "quantiles": rows,
    }


def inside(labels_NH: NDArray[np.float64], ends_NH2: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Whether each truth (N, H) lies in its interval."""
    return np.asarray((ends_NH2[:, :, 0] <= labels_NH) & (labels_NH <= ends_NH2[:, :, 1]))
