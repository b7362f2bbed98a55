"""From answers to the validation records to artifacts/calibration.json. NumPy, no torch.

One half of the records fits scaling and decision; the other gives the conformal quantiles and the limit for abstaining,
whose promise needs records that nothing was fitted on. Numbers need no scaling, so that all records give the quantiles.

Shapes: N records, K classes, H numbers of one answer, Q quantiles.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from lightloop.calibration.conformal import conformal_intervals, conformal_sets, least_records
from lightloop.calibration.decision import fit_decision, fit_limit
from lightloop.calibration.rules import Abstain, Calibration, Codes, Conformal, Decision, Floats, Scaling
from lightloop.calibration.scaling import LEAST, SCALINGS, cross_validated, fit_scaling, scaled
from lightloop.config.calibration import CalibrationConfig
from lightloop.config.schema import AnySpec, Config
from lightloop.data.splits import Rows, divided_rows, stratified_rows

# The levels of the curve of coverage that evaluate draws, and the places of the histogram of where truths fall.
CURVE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
PLACES = tuple(tenth / 10 for tenth in range(1, 10))


def no_calibration(why: str) -> dict[str, Any]:
    """The file where nothing is calibrated."""
    return {"applies": False, "why": why}


def halves(table: pa.Table, spec: AnySpec, labels_N: Codes, seed: int) -> tuple[Rows, Rows]:
    """Rows for scaling and decision, and those for quantiles: by group where records are split so, else by class."""
    groups = spec.with_role("group")
    if spec.split.policy == "group" and len(set(table.column(groups[0]).to_pylist())) > 1:
        return divided_rows(table, spec, 0.5, seed)
    if np.bincount(labels_N)[np.unique(labels_N)].min() > 1:
        return stratified_rows(labels_N, 0.5, seed)
    order = np.random.default_rng(seed).permutation(len(labels_N))
    return np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])


def calibrate_classes(config: Config, table: pa.Table, logits_NK: Floats, labels_N: Codes) -> dict[str, Any]:
    """The content of calibration.json for classes.

    Args:
        config: of the run; read are `data`, `seed`, `calibration`, `decision` and `uncertainty`.
        table: the validation records, for their groups.
        logits_NK: the network's.
        labels_N: the right classes.
    """
    least = 2 * least_records(min(config.uncertainty.levels))
    if len(labels_N) < least:
        return no_calibration(
            f"{len(labels_N)} validation records are too few: two halves for a conformal level of "
            f"{min(config.uncertainty.levels):g} need {least}, so raise data.split.validation"
        )
    classes, settings = config.data.classes, config.uncertainty
    fit, rest = halves(table, config.data, labels_N, config.seed)
    scaling, candidates, notes = choose_scaling(config.calibration, logits_NK[fit], labels_N[fit], config.seed)
    p_NK = scaled(scaling, logits_NK)
    decision, notes = fit_decision(config.decision, p_NK[fit], labels_N[fit], classes), list(notes)
    conformal = conformal_sets(p_NK[rest], labels_N[rest], settings)
    notes += _too_few(conformal, [config.data.classes[k] for k in range(len(conformal.n))])
    abstain = Abstain(name=settings.abstain) if settings.abstain != "accuracy" else Abstain()
    if settings.abstain == "accuracy":
        limit = fit_limit(p_NK[rest], labels_N[rest], decision, settings.accuracy)
        if limit is None:
            notes.append(
                f"no limit makes the answers on {len(rest)} validation records {settings.accuracy:.0%} accurate, so "
                "that the model never abstains: ask for a lower uncertainty.accuracy"
            )
        abstain = limit or abstain
    released = Calibration(scaling=scaling, decision=decision, conformal=conformal, abstain=abstain)
    return {
        "applies": True,
        "n": len(labels_N),
        "n_fit": len(fit),
        "n_conformal": len(rest),
        "notes": notes,
        "candidates": candidates,
        "decision": _decision_words(config, decision),
        "released": released.model_dump(mode="json"),
    }


def choose_scaling(
    config: CalibrationConfig, logits_NK: Floats, labels_N: Codes, seed: int
) -> tuple[Scaling, list[dict[str, Any]], list[str]]:
    """The scaling, the cross-validated log loss of each candidate, and what has to be said about it."""
    asked = SCALINGS if config.name == "auto" else tuple(dict.fromkeys(["none", config.name]))
    names = [name for name in asked if len(labels_N) >= LEAST[name]]
    notes = [
        f"{len(labels_N)} records are too few to fit calibration={name}, which needs {LEAST[name]}: it is left out"
        for name in asked
        if name not in names
    ]
    losses = cross_validated(names, logits_NK, labels_N, config.folds, seed)
    means = {name: float(losses[name].mean()) for name in names}
    best = min(names, key=means.__getitem__) if config.name == "auto" else names[-1]
    candidates = [
        {
            "name": name,
            "log_loss": means[name],
            # Of the difference from none, on the same records.
            "standard_error": float((losses[name] - losses["none"]).std() / np.sqrt(len(labels_N))),
            "chosen": name == best,
        }
        for name in names
    ]
    return fit_scaling(best, logits_NK, labels_N), candidates, notes


def calibrate_numbers(
    config: Config, labels_NH: Floats, prediction_NH: Floats, quantiles_NHQ: Floats | None
) -> dict[str, Any]:
    """The content of calibration.json for numbers: intervals, and what evaluate holds their coverage against.

    `curve` has the quantiles of more levels, `residuals` the tenths of truth minus answer of each number (H, 9).
    """
    levels = config.uncertainty.levels
    least = least_records(min(levels))
    if len(labels_NH) < least:
        return no_calibration(
            f"{len(labels_NH)} validation records are too few: an interval of level {min(levels):g} needs {least}, "
            "so raise data.split.validation"
        )
    conformal = conformal_intervals(labels_NH, prediction_NH, quantiles_NHQ, levels)
    curve = conformal_intervals(labels_NH, prediction_NH, quantiles_NHQ, CURVE)
    released = Calibration(conformal=conformal)
    notes = _too_few(conformal, ["all numbers"])
    if config.data.problem == "forecasting":
        notes.append("windows overlap and follow each other in time: coverage is measured on the test, not guaranteed")
    return {
        "applies": True,
        "n": len(labels_NH),
        "n_fit": 0,
        "n_conformal": len(labels_NH),
        "notes": notes,
        "candidates": [],
        "decision": None,
        "curve": curve.model_dump(mode="json"),
        "residuals": np.quantile(labels_NH - prediction_NH, PLACES, axis=0).T.tolist(),
        "released": released.model_dump(mode="json"),
    }


def _decision_words(config: Config, decision: Decision) -> dict[str, Any]:
    """The decision by the names of its classes."""
    found: dict[str, Any] = {"name": decision.name}
    classes = config.data.classes
    if decision.name == "threshold":
        metric = getattr(config.decision, "metric", None)
        found |= {"metric": metric, "positive": classes[decision.positive], "threshold": decision.threshold}
    if decision.name == "costs":
        rows = {name: dict(zip(classes, row, strict=True)) for name, row in zip(classes, decision.costs, strict=True)}
        found |= {"costs": rows}
    return found


def _too_few(conformal: Conformal, names: list[str]) -> list[str]:
    """A sentence for each quantile that there were too few records for."""
    return [
        f"{n} validation records{f' of {name}' if conformal.by_class else ''} are too few for a conformal level of "
        f"{one.level:g}, which needs {least_records(one.level)}: nothing is ruled out there"
        for one in conformal.levels
        for name, n in zip(names, conformal.n, strict=False)
        if n < least_records(one.level)
    ]
