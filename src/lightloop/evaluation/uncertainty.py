"""evaluation/uncertainty.json: whether sets and intervals hold the truth, what abstaining gains, who disagrees.

Shapes: N records, K classes, H numbers of one answer, S answers to the same record, M numbers of an answer.
"""

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.calibration.rules import Calibration, decided_probability
from lightloop.config.schema import Config
from lightloop.data.records import label_codes
from lightloop.evaluation.calibration import inside
from lightloop.evaluation.draws import Draws, draws_of
from lightloop.evaluation.evidence import Resampling, matrix
from lightloop.evaluation.figures import area_of, mean_of, with_intervals
from lightloop.evaluation.numbers import labels_of, quantiles_of

# Points of the curve of accuracy against the share that is answered.
SHARES = tuple(twentieth / 20 for twentieth in range(20, 0, -1))
SMALLEST = 1e-12


def uncertainty_content(
    config: Config, predictions: pa.Table, released: Calibration, parts: dict[str, Any] | None, why: str
) -> dict[str, Any]:
    """What the file holds.

    Args:
        config: of the run.
        predictions: as predictions.parquet holds them.
        released: how answers are decided and how sure they are.
        parts: several answers to the same records: `source`, `answers_SNM`, `rows` of the predictions; or None.
        why: there are none.

    Returns:
        `applies`, `n`, `confidence`, `resamples`; `conformal`: see `of_sets` and `of_intervals`; `abstention`: see
        `of_abstention`; `disagreement`: see `of_disagreement`. Each of the three has `applies` of its own.
    """
    if config.data.problem == "generation":
        return {"applies": False, "why": "an image that was generated is neither right nor wrong"}
    how = Resampling.of(config)
    classes = config.data.problem == "classification"
    of = of_sets if classes else of_intervals
    return {
        "applies": True,
        "n": len(predictions),
        "confidence": how.confidence,
        "resamples": how.resamples,
        "conformal": of(config, predictions, released, how)
        if released.conformal
        else {"applies": False, "why": "the calibrate stage found too few records that nothing was fitted on"},
        "abstention": of_abstention(config, predictions, released, how)
        if classes
        else {"applies": False, "why": "the intervals of numbers say how sure an answer is: none is held back"},
        "disagreement": of_disagreement(config, predictions, released, parts, how)
        if parts
        else {"applies": False, "why": why},
    }


def of_sets(config: Config, predictions: pa.Table, released: Calibration, how: Resampling) -> dict[str, Any]:
    """Coverage and size of conformal sets on the test split.

    Returns:
        `score`, `by_class`, `n` (records that the quantiles are of); `levels`, a row each: `level`, `coverage`, `size`,
        `expected` (the range in which the coverage of as many records lies in 95 % of all draws, by the beta-binomial
        distribution; null where records are not independent or classes have their own quantiles), `sizes` (how many
        sets hold so many classes, from none on), and `classes`: `label`, `n`, `coverage`, `size`.
    """
    assert released.conformal
    conformal, draws = released.conformal, draws_of(config.data, predictions)
    labels_N = label_codes(predictions.column("label").to_pylist(), config.data.classes)
    p_NK = matrix(predictions, "probabilities")
    rows = []
    for one in conformal.levels:
        sets_NK = released.sets(p_NK, one.level)
        covered_N, size_N = sets_NK[np.arange(len(labels_N)), labels_N], sets_NK.sum(1)
        figures = {"coverage": mean_of(covered_N), "size": mean_of(size_N)}
        for k in range(len(config.data.classes)):
            figures |= {
                f"{name} {k}": mean_of(values_N, labels_N == k)
                for name, values_N in (("coverage", covered_N), ("size", size_N))
            }
        found = with_intervals(draws, figures, how)
        simple = draws.independent and not conformal.by_class
        rows.append(
            {
                "level": one.level,
                "coverage": found["coverage"],
                "expected": expected_coverage(conformal.n[0], len(labels_N), one.level) if simple else None,
                "size": found["size"],
                "sizes": np.bincount(size_N, minlength=len(config.data.classes) + 1).tolist(),
                "classes": [
                    {
                        "label": label,
                        "n": int((labels_N == k).sum()),
                        "coverage": found[f"coverage {k}"],
                        "size": found[f"size {k}"],
                    }
                    for k, label in enumerate(config.data.classes)
                ],
            }
        )
    head = {"applies": True, "score": conformal.score, "by_class": conformal.by_class, "n": list(conformal.n)}
    return {**head, "levels": rows}


def of_intervals(config: Config, predictions: pa.Table, released: Calibration, how: Resampling) -> dict[str, Any]:
    """Coverage and width of conformal intervals on the test split.

    Returns:
        `score`, `n`; `levels`, a row each: `level`, `coverage` and `width` over all steps, `expected` as of sets (one
        number an answer, independent records), and `steps`: `step`, `coverage`, `width`; widths are null where an
        interval has no end.
    """
    assert released.conformal
    labels_NH, answers_NH = labels_of(predictions), matrix(predictions, "prediction")
    quantiles_NHQ = quantiles_of(predictions, labels_NH.shape[1])
    steps = labels_NH.shape[1]
    draws: Draws = draws_of(config.data, predictions, block=steps)
    rows = []
    for one in released.conformal.levels:
        ends_NH2 = released.intervals(answers_NH, quantiles_NHQ, one.level)
        covered_NH, width_NH = inside(labels_NH, ends_NH2), ends_NH2[:, :, 1] - ends_NH2[:, :, 0]
        # A mean with an infinity in it is undefined.
        width_NH = np.where(np.isfinite(width_NH), width_NH, np.nan)
        figures = {"coverage": mean_of(covered_NH.mean(1)), "width": mean_of(width_NH.mean(1))}
        for step in range(steps):
            figures |= {f"coverage {step}": mean_of(covered_NH[:, step]), f"width {step}": mean_of(width_NH[:, step])}
        found = with_intervals(draws, figures, how)
        simple = draws.independent and steps == 1
        rows.append(
            {
                "level": one.level,
                "coverage": found["coverage"],
                "expected": expected_coverage(released.conformal.n[0], len(labels_NH), one.level) if simple else None,
                "width": found["width"],
                "steps": [
                    {"step": step + 1, "coverage": found[f"coverage {step}"], "width": found[f"width {step}"]}
                    for step in range(steps)
                ],
            }
        )
    return {"applies": True, "score": released.conformal.score, "n": list(released.conformal.n), "levels": rows}


def expected_coverage(fitted: int, tested: int, level: float) -> dict[str, float] | None:
    """Between which shares the coverage of `tested` records lies in 95 % of all draws; None where nothing is ruled out.

    Quantiles of `fitted` records cover a share that follows a beta distribution, and as many records are a sample of it
    (arXiv:2107.07511, section 3.2 and appendix C).
    """
    rank = math.ceil((fitted + 1) * level - 1e-9)
    if rank > fitted:
        return None
    from scipy.stats import betabinom

    low, high = betabinom.ppf([0.025, 0.975], tested, rank, fitted + 1 - rank)
    return {"low": float(low / tested), "high": float(high / tested)}


def of_abstention(config: Config, predictions: pa.Table, released: Calibration, how: Resampling) -> dict[str, Any]:
    """What abstaining costs and gains on the test split.

    Returns:
        `rule`, `limit`; `answered`: the share of records that are answered; `accuracy` of these, and `accuracy_of_all`;
        `curve`: a row a share of the surest answers: `share`, `n`, `limit`, `accuracy`; `risk`: the mean error over all
        shares (the area under the curve of risk against coverage, arXiv:1705.08500).
    """
    draws = draws_of(config.data, predictions)
    labels_N = label_codes(predictions.column("label").to_pylist(), config.data.classes)
    p_NK = matrix(predictions, "probabilities")
    codes_N = released.decision.decide(p_NK)
    confidence_N, right_N = decided_probability(p_NK, codes_N), codes_N == labels_N
    answered_N = ~released.abstains(p_NK)
    figures = {"answered": mean_of(answered_N), "accuracy": mean_of(right_N, answered_N), "all": mean_of(right_N)}
    found = with_intervals(draws, figures, how)
    order = np.argsort(-confidence_N, kind="stable")
    right_upto_N = np.cumsum(right_N[order]) / np.arange(1, len(order) + 1)
    counts = [max(1, round(share * len(order))) for share in SHARES]
    return {
        "applies": True,
        "rule": released.abstain.name,
        "limit": released.abstain.limit if released.abstain.name == "accuracy" else None,
        "answered": found["answered"],
        "accuracy": found["accuracy"],
        "accuracy_of_all": found["all"],
        "risk": float(1 - right_upto_N.mean()),
        "curve": [
            {
                "share": share,
                "n": count,
                "limit": float(confidence_N[order[count - 1]]),
                "accuracy": float(right_upto_N[count - 1]),
            }
            for share, count in zip(SHARES, counts, strict=True)
        ],
    }


def of_disagreement(
    config: Config, predictions: pa.Table, released: Calibration, parts: dict[str, Any], how: Resampling
) -> dict[str, Any]:
    """How far the parts of a model lie apart, and whether they do where it is wrong.

    Returns:
        `source` (ensemble or dropout), `answers` (S), `n`, `measure`: of classes the `mutual_information` of answer and
        part in nats (arXiv:1112.5745), of numbers the `deviation` of the parts' answers; its `mean`, and `error`: what
        is ranked, a wrong class or an error above the median. `auroc`: how well errors are told from the rest by it,
        and beside it, of classes, by the released probability of the answer (`doubt`) and by the `entropy` of the
        parts' mean; 0.5 is by chance.
    """
    rows, answers_SNM = parts["rows"], np.asarray(parts["answers_SNM"], dtype=np.float64)
    asked = predictions.take(rows)
    if config.data.problem == "classification":
        labels_N = label_codes(asked.column("label").to_pylist(), config.data.classes)
        p_NK = matrix(asked, "probabilities")
        codes_N = released.decision.decide(p_NK)
        wrong_N = codes_N != labels_N
        measure, error = "mutual_information", "a wrong class"
        spread_N = mutual_information(answers_SNM)
        ranked = {
            measure: spread_N,
            "entropy": _entropy(answers_SNM.mean(0)),
            "doubt": 1 - decided_probability(p_NK, codes_N),
        }
        draws = draws_of(config.data, asked)
    else:
        labels_NH = labels_of(asked)
        error_N = np.abs(matrix(asked, "prediction") - labels_NH).mean(1)
        wrong_N = error_N > np.median(error_N)
        measure, error = "deviation", "an error above the median"
        spread_N = answers_SNM.std(0, ddof=1).mean(1)
        ranked = {measure: spread_N}
        draws = draws_of(config.data, asked, block=labels_NH.shape[1])
    figures = {"mean": mean_of(spread_N), **{name: area_of(wrong_N, score_N) for name, score_N in ranked.items()}}
    found = with_intervals(draws, figures, how)
    return {
        "applies": True,
        "source": parts["source"],
        "answers": len(answers_SNM),
        "n": len(rows),
        "measure": measure,
        "mean": found["mean"],
        "error": error,
        "errors": int(wrong_N.sum()),
        "auroc": {name: found[name] for name in ranked},
    }


def mutual_information(p_SNK: NDArray[np.float64]) -> NDArray[np.float64]:
    """The entropy of the mean less the mean entropy (N,), in nats: 0 where all parts say the same.

    Examples:
        >>> mutual_information(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).round(3).tolist()
        [0.693]
    """
    return np.asarray(np.maximum(_entropy(p_SNK.mean(0)) - _entropy(p_SNK).mean(0), 0.0))


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-(p * np.log(np.maximum(p, SMALLEST))).sum(-1))
