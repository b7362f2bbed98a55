"""What each section of the site shows, taken from the evidence: sentences, rows and charts, no markup."""

import math
from collections.abc import Mapping
from typing import Any

from lightloop.report.calibration import calibration, uncertainty
from lightloop.report.charts import Chart, lines
from lightloop.report.evidence import Evidence
from lightloop.report.explanations import trusted_methods
from lightloop.report.figures import count, estimate, figure, plural, words
from lightloop.report.judgement import Judgement, judge_gain
from lightloop.report.numbers import numbers
from lightloop.report.sketches import intervals
from lightloop.report.slices import fairness, found_slices, slices
from lightloop.report.tables import confusion

GATE = {
    "data": "Data check",
    "parity": "Export",
    "compression": "Compression",
    "baseline": "Against the baseline",
    "champion": "Against the champion",
    "explanation": "Explanations",
    "calibration": "Calibration",
    "further": "Further metrics",
    "protected": "Sensitive groups",
    "latency": "Speed",
    "size": "Size",
}
PARTS = {"train": "training", "test": "test"}


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
        if check["name"].startswith("bounds.") or check["name"] == "calibration":
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
    failed = [check for check in checks if not (check["passed"] or check.get("warning"))]
    warned = [check for check in checks if not check["passed"] and check.get("warning")]
    champion = evidence.gate.get("champion")
    champion = champion if champion and champion.get("version") else None
    return {
        "checks": failed + warned + [check for check in checks if check["passed"]],
        "failed": len(failed),
        "warned": len(warned),
        "champion": champion,
        "tiles": _tiles(evidence),
        "gain": gain(evidence),
    }


def gain(evidence: Evidence) -> Judgement | None:
    """Whether the network is better than the simpler model, in a sentence."""
    better = evidence.metrics.get("better_than_baseline")
    return judge_gain(evidence.metrics, title_of(evidence, better["metric"]), evidence.simpler) if better else None


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
            "note": f"{estimate(baseline).partition(' ')[2]} {evidence.simpler}, same records".strip(),
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
            "value": f"{len(trusted)}/{len(methods)}" if methods else "–",
            "note": f"methods to be trusted, {plural(evidence.explanation['n'], 'record')}"
            if evidence.explanation and methods
            else "no attributions"
            if evidence.explanation
            else "no evidence",
            "link": "#explanations",
        },
        {
            "title": "Parameters",
            "value": short_count(evidence.training.get("parameters")),
            "note": f"{evidence.training.get('network', evidence.config.network.name)}, "
            f"trained on {plural(evidence.training['records']['train'], 'record')}{_since(evidence.training)}",
            "link": "#training",
        },
    ]


def _since(training: Mapping[str, Any]) -> str:
    """From when on, where older records no longer hold."""
    return f" since {training['holds_since'][:10]}" if "holds_since" in training else ""


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
        "tables": _tables(evidence.profile or {}) if evidence.config.data.modality != "image" else {},
        "tested": len(predictions),
    }


def _tables(profile: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What of a profile is a table: by name rows of figures, such as the columns of a table."""
    found = {}
    for name, content in profile.items():
        if name in ("records", "classes") or not isinstance(content, Mapping) or not content:
            continue
        if all(isinstance(row, Mapping) for row in content.values()):
            columns = list(dict.fromkeys(key for row in content.values() for key in row))
            rows = [(row, [cells.get(column) for column in columns]) for row, cells in content.items()]
            found[name] = {"columns": columns, "rows": rows}
    return found


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

    measures = dict.fromkeys(
        name.removeprefix("train_").removeprefix("validation_")
        for row in history
        for name in row
        if name.startswith(("train_", "validation_"))
    )
    charts = []
    for measure in measures:
        columns = {part: f"{part.removesuffix('ing')}_{measure}" for part in ("training", "validation")}
        charts.append(curves(_measure_title(evidence, measure), columns, _measure_unit(evidence, measure)))
    others = dict.fromkeys(name for row in history for name in row if name not in ("epoch", "lr"))
    for name in others:
        if not name.startswith(("train_", "validation_")):
            charts.append(curves(_measure_title(evidence, name), {words(name): name}, ""))
    charts.append(curves("Learning rate", {"learning rate": "lr"}, "rate"))
    return {"charts": [chart for chart in charts if chart], "best": rule}


def _measure_title(evidence: Evidence, name: str) -> str:
    spec = evidence.specs.get(name)
    return spec.title if spec else words(name).capitalize()


def _measure_unit(evidence: Evidence, name: str) -> str:
    spec = evidence.specs.get(name)
    return (
        spec.unit
        if spec
        else words(getattr(evidence.config.loss, "name", name)).replace("cross entropy", "cross-entropy")
    )


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
    """Metrics beside the baseline's, groups of records, how sure it is; of classes also who is taken for whom."""
    cards = []
    for row in metric_rows(evidence):
        label = f"{row['title']}: model {estimate(row['model'])}, baseline {estimate(row['baseline'])}"
        estimates = {name: row[name] for name in ("model", "baseline") if row[name]}
        cards.append({**row, "chart": intervals(estimates, label)})
    found = {
        "cards": cards,
        "gain": gain(evidence),
        "slices": slices(evidence),
        "found": found_slices(evidence),
        "fairness": fairness(evidence),
        "calibration": calibration(evidence),
        "uncertainty": uncertainty(evidence),
        "numbers": numbers(evidence),
    }
    return {**found, **(_classes(evidence) if evidence.classifies else {})}


def _classes(evidence: Evidence) -> dict[str, Any]:
    """The classes from weakest to strongest, and who is taken for whom."""
    labels, predicted = (evidence.predictions.column(name).to_pylist() for name in ("label", "prediction"))
    matrix = confusion(labels, predicted, evidence.config.data.classes)
    return {
        "classes": sorted(evidence.classes, key=weakness),
        "floor": _floor(evidence.classes),
        "confusion": matrix,
        "pairs": matrix.pairs(8),
        "wrong": sum(label != answer for label, answer in zip(labels, predicted, strict=True)),
    }


def _floor(classes: list[dict[str, Any]]) -> float:
    """Where the axis of the classes' F1 starts: the tenth below all intervals, at most 0.9."""
    lows = [row["f1"]["low"] for row in classes if row["f1"]["low"] is not None]
    return min(0.9, math.floor(10 * min(lows, default=0.0)) / 10)


def weakness(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    """Sorts classes from the lowest F1 to the highest; undefined ones come last."""
    value = row["f1"]["value"]
    return value is None, value or 0.0, row["label"]
