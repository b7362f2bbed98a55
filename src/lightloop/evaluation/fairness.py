"""fairness.json: who is given the favourable class, by each sensitive column; the gap in the data beside the model's.

Values are fairlearn's; their intervals come from the same rates as functions of the records' weights. Nothing is said
of a group below the smallest size (config gate.smallest_group).

A gap is the largest minus the smallest rate, so noise only adds to it: its resamples lie above it, and a percentile
interval of no gap at all never holds 0. Intervals of gaps are therefore the value, less and more the quantile of how
far resampling moves the difference of any two groups (of ratios: of their logarithms). They hold for all pairs of
groups at once, and so for the largest.

Shapes: N records, G groups, R resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import Config
from lightloop.evaluation.bootstrap import interval_of
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.groups import Groups, Records
from lightloop.evaluation.metrics import Counts, Floats, ratio
from lightloop.evaluation.problem import Problem

Flags = NDArray[np.bool_]
Estimate = dict[str, float | None]
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "base_rate")
# Of which rates each gap is the largest.
GAPS: dict[str, tuple[str, ...]] = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}
RATIOS = {"demographic_parity_ratio": "selection_rate"}


def fairness_content(
    config: Config, problem: Problem, predictions: pa.Table, training: pa.Table | None = None
) -> dict[str, Any]:
    """What fairness.json holds, but for the mitigation by thresholds (see `thresholds`).

    Args:
        config: of the run.
        problem: of its data.
        predictions: as predictions.parquet holds them.
        training: the training records, for the gap in their labels.

    Returns:
        `applies`; `smallest`, `confidence`, `resamples`; `favourable`: the class of data.favourable or null; `columns`,
        one a sensitive column and favourable class (each class in turn where the spec names none): `column`,
        `favourable`, `groups` (`value`, `n`, `n_favourable`, and each of RATES), `gaps` of the model, `data_gaps` of
        the labels of the test, `training_gaps` of those of the training records, and `left_out`.
    """
    spec = problem.spec
    if spec.problem != "classification":
        return {"applies": False, "why": "Fairness is about who is given a class; errors by group are in slices.json."}
    columns = [name for name in spec.with_role("sensitive") if name in predictions.column_names]
    if not columns:
        return {"applies": False, "why": "The data spec names no sensitive column."}
    test = Records.of(config, problem, predictions)
    taught = None if training is None else Records.of(config, problem, training)
    favoured = [spec.favourable] if spec.favourable is not None else list(spec.classes)
    return {
        "applies": True,
        "smallest": test.smallest,
        "confidence": test.how.confidence,
        "resamples": test.how.resamples,
        "favourable": spec.favourable,
        "columns": [_column(test, taught, column, name) for column in columns for name in favoured],
    }


def _column(test: Records, taught: Records | None, column: str, favourable: str) -> dict[str, Any]:
    groups, confidence = test.groups(column), test.how.confidence
    found: dict[str, Any] = {"column": column, "favourable": favourable, "left_out": groups.left_out}
    if len(groups.names) < 2:
        return {**found, "applies": False, "why": f"Fewer than two groups have {test.smallest} records.", "groups": []}
    rates = GroupRates(groups, flags(test.table, "label", favourable), flags(test.table, "prediction", favourable))
    point, resampled = rates.resampled(test.draws, test.how)
    by_group = [
        {
            "value": value,
            "n": int(groups.rows[place].sum()),
            "n_favourable": int(rates.meant_N[groups.rows[place]].sum()),
            **{
                name: asdict(interval_of(point[name][0, place], resampled[name][:, place], confidence))
                for name in RATES
            },
        }
        for place, value in enumerate(groups.names)
    ]
    return {
        **found,
        "applies": True,
        "groups": by_group,
        "gaps": gap_estimates(point, resampled, confidence, GAPS, RATIOS),
        "data_gaps": label_gaps(point, resampled, confidence),
        "training_gaps": None if taught is None else _of_training(taught, column, favourable),
    }


def _of_training(taught: Records, column: str, favourable: str) -> dict[str, Estimate] | None:
    """The gap in the labels of the training records: what the model was taught."""
    groups = taught.groups(column) if column in taught.table.column_names else None
    if groups is None or len(groups.names) < 2:
        return None
    meant_N = flags(taught.table, "label", favourable)
    point, resampled = GroupRates(groups, meant_N, meant_N).resampled(taught.draws, taught.how)
    return label_gaps(point, resampled, taught.how.confidence)


def flags(table: pa.Table, column: str, favourable: str) -> Flags:
    """Whether a column (N,) of class names is the favourable class."""
    return np.array([value == favourable for value in table.column(column).to_pylist()])


class GroupRates:
    """The rates of each group, as functions of the records' weights.

    Args:
        groups: of the records.
        meant_N: whether the label is the favourable class.
        given_N: whether the answer is.
    """

    def __init__(self, groups: Groups, meant_N: Flags, given_N: Flags) -> None:
        self.groups, self.meant_N, self.given_N = groups, meant_N, given_N
        parts = [np.ones(len(meant_N)), given_N, meant_N, meant_N & given_N, meant_N == given_N]
        inside_NG = np.stack(groups.rows, axis=1).astype(np.float64)
        self.sums_NM = np.concatenate([inside_NG * part[:, None] for part in parts], axis=1)

    def scores(self, weights_RN: Counts) -> dict[str, Floats]:
        """Each of RATES, (R, G); NaN where it is undefined."""
        sums = np.split(weights_RN.astype(np.float64) @ self.sums_NM, 5, axis=1)
        n_RG, given_RG, meant_RG, both_RG, right_RG = sums
        return {
            "selection_rate": ratio(given_RG, n_RG),
            "true_positive_rate": ratio(both_RG, meant_RG),
            "false_positive_rate": ratio(given_RG - both_RG, n_RG - meant_RG),
            "accuracy": ratio(right_RG, n_RG),
            "base_rate": ratio(meant_RG, n_RG),
        }

    def resampled(self, draws: Draws, how: Resampling) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """The rates themselves (1, G), by fairlearn, and of all resamples (R, G)."""
        chunks = [self.scores(weights_RN) for weights_RN in draws.counts(how.resamples, how.seed)]
        return self._by_fairlearn(), {name: np.concatenate([chunk[name] for chunk in chunks]) for name in RATES}

    def _by_fairlearn(self) -> dict[str, Floats]:
        from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
        from sklearn.metrics import accuracy_score

        measures = {
            "selection_rate": selection_rate,
            "true_positive_rate": true_positive_rate,
            "false_positive_rate": false_positive_rate,
            "accuracy": accuracy_score,
        }
        names_N = np.full(len(self.meant_N), -1)
        for place, rows_N in enumerate(self.groups.rows):
            names_N[rows_N] = place
        kept = names_N >= 0
        meant_N, given_N = self.meant_N[kept].astype(int), self.given_N[kept].astype(int)
        frame = MetricFrame(metrics=measures, y_true=meant_N, y_pred=given_N, sensitive_features=names_N[kept])
        base = MetricFrame(
            metrics={"base_rate": selection_rate}, y_true=meant_N, y_pred=meant_N, sensitive_features=names_N[kept]
        )
        found = {name: frame.by_group[name].to_numpy(dtype=np.float64)[None] for name in measures}
        found["base_rate"] = base.by_group["base_rate"].to_numpy(dtype=np.float64)[None]
        # fairlearn says 0 where there is nothing to divide by.
        ours = self.scores(np.ones((1, len(self.meant_N)), dtype=np.int32))
        return {name: np.where(np.isnan(ours[name]), np.nan, found[name]) for name in RATES}


def label_gaps(point: Mapping[str, Floats], resampled: Mapping[str, Floats], confidence: float) -> dict[str, Estimate]:
    """The gap of the labels themselves, as that of a model that answers what they say."""
    names = {"demographic_parity_difference": ("base_rate",)}
    return gap_estimates(point, resampled, confidence, names, {"demographic_parity_ratio": "base_rate"})


def gap_estimates(
    point: Mapping[str, Floats],
    resampled: Mapping[str, Floats],
    confidence: float,
    gaps: Mapping[str, Sequence[str]],
    ratios: Mapping[str, str],
) -> dict[str, Estimate]:
    """Gaps between groups, with intervals as the head of this file says.

    Args:
        point: by rate (1, G).
        resampled: by rate (R, G).
        confidence: of the intervals.
        gaps: by name the rates of which it is the largest difference.
        ratios: by name the rate whose smallest is divided by its largest.
    """
    found: dict[str, Estimate] = {}
    for name, rates in gaps.items():
        pairs_P = np.concatenate([_pairs(point[rate])[0] for rate in rates])
        moved_RP = np.concatenate([_pairs(resampled[rate]) for rate in rates], axis=1) - pairs_P
        found[name] = _band(np.abs(pairs_P), np.abs(moved_RP), confidence)
    for name, rate in ratios.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            pairs_P = _pairs(np.log(point[rate]))[0]
            moved_RP = np.abs(_pairs(np.log(resampled[rate])) - pairs_P)
        if not point[rate].min() > 0:  # the smallest is 0, or undefined
            low = 0.0 if point[rate].max() > 0 and not np.isnan(point[rate]).any() else None
            found[name] = {"value": low, "low": low, "high": None}
            continue
        logs = _band(np.abs(pairs_P), np.where(np.isnan(moved_RP), np.inf, moved_RP), confidence)
        turned = {"value": logs["value"], "low": logs["high"], "high": logs["low"]}
        found[name] = {key: None if value is None else float(np.exp(-value)) for key, value in turned.items()}
    return found


def _pairs(rates_RG: Floats) -> Floats:
    """The difference (R, P) of each two groups."""
    first, second = np.triu_indices(rates_RG.shape[1], 1)
    return rates_RG[:, first] - rates_RG[:, second]


def _band(sizes_P: Floats, moved_RP: Floats, confidence: float) -> Estimate:
    """The largest of some sizes, less and more how far resampling moves any of them."""
    if np.isnan(sizes_P).any():
        return {"value": None, "low": None, "high": None}
    value = float(sizes_P.max())
    moved_R = moved_RP.max(1)
    # A resample without a rate (no record to divide by) says nothing of it; "higher" never mixes with infinity.
    margin = float(np.quantile(moved_R[~np.isnan(moved_R)], confidence, method="higher"))
    return {"value": value, "low": max(0.0, value - margin), "high": value + margin}
