"""What each section of the site shows, taken from the evidence: sentences, rows and charts, no markup."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lightloop.report.charts import Chart, intervals, lines, reliability
from lightloop.report.evidence import Evidence
from lightloop.report.figures import count, estimate, figure, plural, words
from lightloop.report.tables import confusion, probabilities, reliability_bins

METHODS = {
    "grad_cam": "Grad-CAM",
    "gradient_shap": "GradientSHAP",
    "integrated_gradients": "Integrated gradients",
    "guided_backpropagation": "Guided backpropagation",
    "random": "Random order",
    "random_blocks": "Random blocks",
}
CHECKS = {
    "completeness_error": "Completeness error",
    "deletion_auc": "Deletion area",
    "insertion_auc": "Insertion area",
    "randomised_correlation": "Correlation after randomisation",
}
GATE = {
    "data": "Data check",
    "parity": "Export",
    "baseline": "Against the baseline",
    "champion": "Against the champion",
    "explanation": "Explanations",
}
PARTS = {"train": "training", "test": "test"}


def method_title(name: str) -> str:
    """An attribution method's name for people."""
    return METHODS.get(name, words(name))


def check_title(evidence: Evidence, name: str) -> str:
    """A gate check's name for people; `bounds.METRIC` is named after its metric."""
    if name.startswith("bounds."):
        return title_of(evidence, name.removeprefix("bounds."))
    return GATE.get(name, words(name))


def check_figures(check: Mapping[str, Any]) -> dict[str, Any]:
    """A gate check's figures; a two-sided interval stands with its value, one-sided bounds are said to be such."""
    shown = dict(check["figures"])
    if {"value", "low", "high"} <= shown.keys():
        bounds = {key: shown.pop(key) for key in ("value", "low", "high")}
        if check["name"].startswith("bounds."):
            shown["value"] = bounds
        else:
            shown |= {"difference": bounds["value"], "at least": bounds["low"], "at most": bounds["high"]}
    return shown


def verdict(evidence: Evidence) -> dict[str, Any]:
    """The gate's checks, failed first, and the figures that a reader asks for first."""
    checks = [
        {**check, "title": check_title(evidence, check["name"]), "figures": check_figures(check)}
        for check in evidence.gate["checks"]
    ]
    failed = [check for check in checks if not check["passed"]]
    champion = evidence.gate.get("champion")
    champion = champion if champion and champion.get("version") else None
    return {
        "checks": failed + [check for check in checks if check["passed"]],
        "failed": len(failed),
        "champion": champion,
        "tiles": _tiles(evidence),
    }


def _tiles(evidence: Evidence) -> list[dict[str, Any]]:
    """The first figures: each with its interval or its n."""
    n = evidence.metrics["n"]
    name = evidence.config.gate.metric
    first = name if name in evidence.metrics["metrics"] else next(iter(evidence.metrics["metrics"]))
    model, baseline = (evidence.metrics[part].get(first) for part in ("metrics", "baseline"))
    checks = evidence.validation["checks"]
    passed = sum(check["success"] for check in checks)
    trusted, methods = trusted_methods(evidence)
    return [
        {
            "title": title_of(evidence, first),
            "value": figure(model["value"] if model else None),
            "note": f"{estimate(model).partition(' ')[2]} on {plural(n, 'test record')}",
            "link": "#evaluation",
        },
        {
            "title": "Baseline",
            "value": figure(baseline["value"] if baseline else None),
            "note": f"{estimate(baseline).partition(' ')[2]} logistic regression, same records".strip(),
            "link": "#evaluation",
        },
        {
            "title": "Data checks",
            "value": f"{passed}/{len(checks)}",
            "note": f"passed on {plural(sum(evidence.validation['rows'].values()), 'record')}",
            "link": "#data",
        },
        {
            "title": "Explanations",
            "value": f"{len(trusted)}/{len(methods)}" if evidence.explanation else "–",
            "note": f"methods to be trusted, {plural(evidence.explanation['n'], 'record')}"
            if evidence.explanation
            else "no evidence",
            "link": "#explanations",
        },
        {
            "title": "Parameters",
            "value": short_count(evidence.training.get("parameters")),
            "note": f"{evidence.training.get('network', evidence.config.network.name)}, "
            f"trained on {plural(evidence.training['records']['train'], 'record')}",
            "link": "#training",
        },
    ]


def short_count(number: int | None) -> str:
    """A count in three digits.

    Examples:
        >>> short_count(842), short_count(111_946), short_count(2_345_678)
        ('842', '112 K', '2.3 M')
    """
    if number is None or number < 10_000:
        return count(number)
    return f"{number / 1e3:.0f} K" if number < 1e6 else f"{number / 1e6:.1f} M"


def title_of(evidence: Evidence, metric: str) -> str:
    """A metric's title, or its name where the specification does not know it."""
    spec = evidence.specs.get(metric)
    return spec.title if spec else words(metric)


def trusted_methods(evidence: Evidence) -> tuple[list[str], list[str]]:
    """Names of the attribution methods that can be trusted, and of all."""
    methods = evidence.explanation["methods"] if evidence.explanation else {}
    return [name for name, method in methods.items() if method["trusted"]], list(methods)


def data(evidence: Evidence) -> dict[str, Any]:
    """The data check's expectations, failed first, and the records by class and part."""
    checks = evidence.validation["checks"]
    predictions = evidence.predictions
    return {
        "failed": [check for check in checks if not check["success"]],
        "passed": [check for check in checks if check["success"]],
        "rows": evidence.validation["rows"],
        "suite": evidence.validation["suite"],
        "profile": evidence.profile,
        "tested": len(predictions),
    }


def training(evidence: Evidence) -> dict[str, Any]:
    """Curves by epoch and the settings that made them. Epochs are counted from 1 for people."""
    history = evidence.history
    best = evidence.training.get("best_epoch")
    rule = None if best is None else best + 1

    def curves(title: str, columns: Mapping[str, str], y: str) -> Chart | None:
        points = {
            name: [(row["epoch"] + 1, row.get(column)) for row in history]
            for name, column in columns.items()
            if any(row.get(column) is not None for row in history)
        }
        return lines(title, points, x="epoch", y=y, rule=rule) if points else None

    both = ("training", "validation")
    charts = [
        curves("Loss", {part: f"{part.removesuffix('ing')}_loss" for part in both}, "cross-entropy"),
        curves("Accuracy", {part: f"{part.removesuffix('ing')}_accuracy" for part in both}, "share"),
        curves("Learning rate", {"learning rate": "lr"}, "rate"),
    ]
    return {"charts": [chart for chart in charts if chart], "best": rule}


def metric_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Each metric of the model with the baseline's, in display order."""
    found = evidence.metrics["metrics"]
    order = [name for name in evidence.specs if name in found]
    order += [name for name in found if name not in order]
    return [
        {
            "title": title_of(evidence, name),
            "spec": evidence.specs.get(name),
            "model": found[name],
            "baseline": evidence.metrics["baseline"].get(name),
        }
        for name in order
    ]


def evaluation(evidence: Evidence) -> dict[str, Any]:
    """Metrics beside the baseline's, the classes from weakest to strongest, who is taken for whom, calibration."""
    cards = []
    for row in metric_rows(evidence):
        label = f"{row['title']}: model {estimate(row['model'])}, baseline {estimate(row['baseline'])}"
        estimates = {name: row[name] for name in ("model", "baseline") if row[name]}
        cards.append({**row, "chart": intervals(estimates, label)})
    labels, predicted = (evidence.predictions.column(name).to_pylist() for name in ("label", "prediction"))
    matrix = confusion(labels, predicted, evidence.config.data.classes)
    correct_N = np.array([a == b for a, b in zip(labels, predicted, strict=True)])
    return {
        "cards": cards,
        "classes": sorted(evidence.classes, key=weakness),
        "floor": _floor(evidence.classes),
        "confusion": matrix,
        "pairs": matrix.pairs(8),
        "wrong": int((~correct_N).sum()),
        "calibration": reliability(reliability_bins(probabilities(evidence.predictions), correct_N)),
    }


def _floor(classes: list[dict[str, Any]]) -> float:
    """Where the axis of the classes' F1 starts: the tenth below all intervals, at most 0.9."""
    lows = [row["f1"]["low"] for row in classes if row["f1"]["low"] is not None]
    return min(0.9, math.floor(10 * min(lows, default=0.0)) / 10)


def weakness(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    """Sorts classes from the lowest F1 to the highest; undefined ones come last."""
    value = row["f1"]["value"]
    return value is None, value or 0.0, row["label"]


def mistakes(evidence: Evidence, thumbnails: Mapping[str, str], most: int = 3) -> list[dict[str, Any]]:
    """The most wrong records, each with its picture and what the model thought most likely."""
    rows = {name: row for row, name in enumerate(evidence.predictions.column("id").to_pylist())}
    probabilities_NK = probabilities(evidence.predictions)
    classes = evidence.config.data.classes
    shown = []
    for mistake in evidence.mistakes:
        row = rows.get(mistake["id"])
        likely: list[tuple[str, float]] = []
        if row is not None:
            order = np.argsort(-probabilities_NK[row], kind="stable")[:most]
            # The label stands there even when the model gave it next to nothing.
            label = classes.index(mistake["label"])
            codes = order if label in order else [*order[:-1], label]
            likely = [(classes[code], float(probabilities_NK[row, code])) for code in codes]
        shown.append({**mistake, "picture": thumbnails.get(mistake["id"]), "likely": likely})
    return shown


def explanations(evidence: Evidence) -> dict[str, Any] | None:
    """Each method with its checks, the curves against random order, the control; None without evidence."""
    content = evidence.explanation
    if content is None:
        return None
    curves = content.get("curves") or {}
    charts = []
    for kind, title in (("deletion", "Deletion: lower is better"), ("insertion", "Insertion: higher is better")):
        found = curves.get(kind) or {}
        methods = [name for name in found if not name.startswith("random")]
        peers = [name for name in found if name not in methods]
        points = {
            method_title(name): list(zip(curves["fractions"], found[name], strict=True)) for name in methods + peers
        }
        styles = [*("model", "second", "third")[: len(methods)], *("peer", "faint")[: len(peers)]]
        if points:
            x = f"share of pixels {'removed' if kind == 'deletion' else 'put back'}"
            y = "mean probability of the predicted class"
            charts.append(lines(title, points, x=x, y=y, styles=styles, percent=True, width=330))
    methods = content["methods"]
    trusted, names = trusted_methods(evidence)
    return {
        "content": content,
        "methods": methods,
        "trusted": trusted,
        "names": names,
        "first": trusted[0] if trusted else names[0] if names else None,
        "charts": charts,
        "layers": _layers(content),
        "passing": sum(_depends_on_weights(method) for method in methods.values()),
        "control": content.get("control") or {},
    }


def _depends_on_weights(method: Mapping[str, Any]) -> bool:
    check = method["checks"].get("randomised_correlation") or {}
    return check.get("passed") is True


def _layers(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Correlation with the attributions of a network that is randomised layer by layer from the top."""
    columns = dict(content["methods"]) | dict(content.get("control") or {})
    found: dict[str, dict[str, float | None]] = {}
    for name, method in columns.items():
        check = method["checks"].get("randomised_correlation") or {}
        if check.get("by_layer"):
            found[name] = {row["layer"]: row["correlation"] for row in check["by_layer"]}
    if not found:
        return None
    layers = list(dict.fromkeys(layer for rows in found.values() for layer in rows))
    return {"layers": layers, "methods": found}
