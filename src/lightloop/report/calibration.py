"""The parts on how sure the model is: calibration, sets and intervals with a promise, abstaining, disagreement.

From evaluation/{calibration,uncertainty}.json and calibration.json; nothing is computed here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightloop.report.charts import INK, MODEL, MUTED, PEER, SECOND, Chart, Rows, Series, Spec, lines, make_chart
from lightloop.report.evidence import Evidence
from lightloop.report.figures import count, estimate, figure, percent, plain, plural, words

SCALINGS = {"none": "none", "temperature": "temperature", "isotonic": "isotonic"}
SHARES = {"format": ".0%", "tickCount": 5}
UNIT = {"domain": [0, 1]}
MEASURES = {"log_loss": "Log loss", "brier": "Brier score", "ece": "Calibration error (ECE)"}
DOUBTS = {
    "mutual_information": "disagreement (mutual information)",
    "deviation": "disagreement (deviation)",
    "entropy": "entropy of the mean",
    "doubt": "the released probability alone",
}


def calibration(evidence: Evidence) -> dict[str, Any] | None:
    """Whether the answers are as often right as the model says, before and after scaling; None without evidence.

    Returns:
        `why` where it does not apply; else `charts`, `rows` of (measure, before, after, gain), `sentences`, `decision`.
    """
    found = evidence.calibration
    if found is None:
        return None
    if not found["applies"]:
        return {"why": found["why"]}
    return _of_classes(evidence, found) if "after" in found else _of_numbers(evidence, found)


def _of_classes(evidence: Evidence, found: Mapping[str, Any]) -> dict[str, Any]:
    after, before = found["after"], found.get("before")
    fitted = evidence.released or {}
    scaled = bool(before) and found.get("scaling", {}).get("name", "none") != "none"
    rows = [
        (title, before[name] if before else None, after[name], (found.get("difference") or {}).get(name))
        for name, title in MEASURES.items()
        if name in after
    ]
    ece = after["ece"]
    sentences = [
        f"Calibration error {estimate(ece)}; noise alone adds about {figure(ece['bias'])} to it, so that "
        f"{figure(ece['debiased'])} is left. A perfectly calibrated model with these confidences would show "
        f"{figure(ece['if_calibrated'])} on as many records."
    ]
    if scaled:
        sentences.append(_scaled(found["scaling"], fitted))
    elif found.get("fitted") is False and found.get("why"):
        sentences.append(f"Nothing was scaled: {found['why']}.")
    elif fitted.get("candidates"):
        sentences.append(
            "No scaling was better than none on the validation split, so the probabilities are as answered."
        )
    return {
        "why": None,
        "charts": [reliability(after["curve"], before["curve"] if scaled and before else None)],
        "rows": rows,
        "scaled": scaled,
        "sentences": sentences,
        "candidates": fitted.get("candidates") or [],
        "notes": fitted.get("notes") or [],
        "decision": _decision(evidence, found.get("decision"), fitted),
        "caption": "A model whose points lie on the diagonal is right as often as it says. The larger a point, the "
        "more records it stands for; thin lines are intervals of the share.",
    }


def _scaled(scaling: Mapping[str, Any], fitted: Mapping[str, Any]) -> str:
    n = f", fitted on {plural(fitted['n_fit'], 'validation record')}" if fitted.get("n_fit") else ""
    if scaling["name"] != "temperature":
        return f"Released with {SCALINGS.get(scaling['name'], words(scaling['name']))} scaling{n}."
    value = scaling["temperature"]
    meaning = "sharper: the network was less sure than right" if value < 1 else "softer: the network was too sure"
    return f"Released with logits divided by a temperature of {figure(value)}{n}, which makes answers {meaning}."


def _decision(evidence: Evidence, found: Mapping[str, Any] | None, fitted: Mapping[str, Any]) -> dict[str, Any] | None:
    if not found:
        return None
    rule = (fitted.get("released") or {}).get("decision") or {}
    classes = evidence.config.data.classes
    said = "The most probable class is the answer."
    if found["name"] == "threshold":
        said = f"{classes[rule['positive']]} is answered from a probability of {figure(rule['threshold'])} on."
    if found["name"] == "costs":
        said = "The class with the lowest expected cost is the answer."
    if found["name"] != "argmax":
        said += f" That changes {plural(found['changed'], 'answer')} of the test split."
    rows = [
        (words(name), found["argmax"][name], found["rule"][name], found["difference"][name]) for name in found["rule"]
    ]
    if found.get("cost"):
        rows.append(("cost of a record", found["cost"]["argmax"], found["cost"]["rule"], found["cost"]["saved"]))
    return {
        "said": said,
        "rows": rows if found["name"] != "argmax" else [],
        "costs": (fitted.get("decision") or {}).get("costs"),
    }


def reliability(after: Rows, before: Rows | None = None) -> Chart:
    """Share of correct answers against the confidence that was claimed, with the number of records a bin below.

    Args:
        after: bins of equal width of the released answers: `low`, `high`, `n`, `confidence` and `accuracy` with its
            interval (undefined where a bin is empty).
        before: of the raw ones, or None.
    """
    curves = {"released": after} | ({"before scaling": before} if before else {})
    colors, names = [MODEL, SECOND], list(curves)
    upper = {
        "width": 300,
        "height": 220,
        "layer": [
            {
                "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
                "mark": {"type": "line", "color": MUTED, "strokeDash": [2, 3], "strokeWidth": 1},
                "encoding": {
                    "x": {"field": "x", "type": "quantitative", "scale": UNIT},
                    "y": {"field": "y", "type": "quantitative"},
                },
            },
            *(
                layer
                for place, (name, bins) in reversed(list(enumerate(curves.items())))
                for layer in _curve(name, bins, colors[place], [[1, 0], [6, 3]][place])
            ),
        ],
    }
    filled = [row for row in after if row["n"]]
    label = "Reliability diagram: " + "; ".join(
        f"{row['low']:.0%} to {row['high']:.0%} confident: {row['accuracy']['value']:.0%} right, n {row['n']}"
        for row in filled
    )
    legend = [Series(name, style) for name, style in zip(names, ("model", "second"), strict=False)]
    others = [[row["accuracy"] for row in bins] for name, bins in curves.items() if name != "released"]
    return make_chart(
        "Calibration",
        {"vconcat": [upper, _histogram(after)], "spacing": 8},
        label,
        series=[*legend, Series("perfectly calibrated", "ideal"), Series("records", "records")],
        columns=("confidence from", "to", "records", "mean confidence", "share right", *("before" for _ in others)),
        rows=[
            (row["low"], row["high"], row["n"], row["confidence"], row["accuracy"], *(one[place] for one in others))
            for place, row in enumerate(after)
        ],
    )


def _curve(name: str, bins: Rows, color: str, dash: Sequence[int]) -> list[Spec]:
    values = [
        {
            "s": name,
            "n": row["n"],
            "x": row["confidence"],
            "y": row["accuracy"]["value"],
            "low": row["accuracy"]["low"],
            "high": row["accuracy"]["high"],
            "tip": f"{name}, {percent(row['low'])} to {percent(row['high'])} sure\nright: {plain(row['accuracy'])}\n"
            f"{plural(row['n'], 'record')}, {percent(row['confidence'])} sure on average",
        }
        for row in bins
        if row["n"]
    ]
    x = {"field": "x", "type": "quantitative", "scale": UNIT, "title": None}
    y = {"field": "y", "type": "quantitative", "scale": UNIT, "title": "share that was right"}
    x_axis, y_axis = {**SHARES, "labels": False, "grid": False}, {**SHARES, "domain": False, "ticks": False}
    opacity = {"condition": {"test": "indexof(shown, datum.s) < 0", "value": 0.06}, "value": 0.9}
    # A bin of few records is a small point: its share says little.
    size = {"field": "n", "type": "quantitative", "legend": None, "scale": {"range": [8, 130], "zero": True}}
    found = {"x": {**x, "axis": x_axis}, "y": {**y, "axis": y_axis}, "opacity": opacity}
    data = {"data": {"values": values}}
    return [
        {
            **data,
            "mark": {"type": "rule", "color": color, "strokeWidth": 1},
            "encoding": {**found, "y": {**y, "axis": y_axis, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            **data,
            "mark": {"type": "line", "color": color, "strokeWidth": 1, "strokeDash": list(dash)},
            "encoding": found,
        },
        {**data, "mark": {"type": "circle", "color": color}, "encoding": {**found, "size": size}},
    ]


def _histogram(bins: Rows) -> Spec:
    x = {"type": "quantitative", "scale": UNIT}
    rows = [
        {
            **{key: row[key] for key in ("low", "high", "n")},
            "tip": f"{percent(row['low'])} to {percent(row['high'])} sure: {plural(row['n'], 'record')}",
        }
        for row in bins
    ]
    return {
        "width": 300,
        "height": 54,
        "data": {"values": rows},
        "mark": {"type": "rect", "color": PEER},
        "encoding": {
            "x": {"field": "low", **x, "title": "confidence of the model", "axis": {**SHARES, "grid": False}},
            "x2": {"field": "high"},
            "y2": {"datum": 0},
            "y": {
                "field": "n",
                "type": "quantitative",
                "title": "records",
                "axis": {"tickCount": 2, "domain": False, "ticks": False, "format": "~s"},
            },
        },
    }


def _of_numbers(evidence: Evidence, found: Mapping[str, Any]) -> dict[str, Any]:
    curve = [(row["level"], row["coverage"]) for row in found["curve"]]
    charts = [_promised("Coverage by level", curve, "level of the interval", "share of truths inside")]
    if found.get("quantiles"):
        below = [(row["level"], row["below"]) for row in found["quantiles"]]
        charts.append(_promised("Truths below each quantile", below, "quantile", "share of truths below"))
    tenth = [f"{percent(share)}" for share in found["places"]]
    return {
        "why": None,
        "charts": charts,
        "rows": [],
        "scaled": False,
        "sentences": [
            f"Of {plural(found['n'], 'test record')}, the shares of truths in each tenth of what validation led "
            f"to expect, lowest first: {', '.join(tenth)}. A calibrated model shows 10 % in each."
        ],
        "candidates": [],
        "notes": (evidence.released or {}).get("notes") or [],
        "decision": None,
        "caption": "Intervals that keep their promise lie on the dotted line.",
    }


def _promised(title: str, curve: Sequence[tuple[float, Mapping[str, Any]]], x: str, y: str) -> Chart:
    """A share that was found, over the share that was promised."""
    return lines(
        title,
        {"found": [(a, b["value"]) for a, b in curve], "promised": [(a, a) for a, _ in curve]},
        x=x,
        y=y,
        styles=("model", "faint"),
        percent=True,
        width=300,
        bands={"found": [(a, b["low"], b["high"]) for a, b in curve]},
    )


def uncertainty(evidence: Evidence) -> dict[str, Any] | None:
    """Sets or intervals with their coverage, abstaining, and who disagrees; None without evidence.

    Returns:
        `why` where nothing applies; else `left_out` (title, reason), and `conformal`, `abstention`, `disagreement`,
        each None where it does not apply.
    """
    found = evidence.uncertainty
    if found is None:
        return None
    if not found["applies"]:
        return {"why": found["why"]}
    titles = {"conformal": "Sets and intervals", "abstention": "Abstaining", "disagreement": "Disagreement"}
    makers = {"conformal": _conformal, "abstention": _abstention, "disagreement": _disagreement}
    parts = {name: make(found[name]) if found[name]["applies"] else None for name, make in makers.items()}
    left_out = [(titles[name], found[name]["why"]) for name in titles if not found[name]["applies"]]
    return {"why": None, "n": found["n"], "confidence": found["confidence"], "left_out": left_out, **parts}


def _conformal(found: Mapping[str, Any]) -> dict[str, Any]:
    sets = "size" in found["levels"][0]
    rows = [{**row, "extent": row["size" if sets else "width"]} for row in found["levels"]]
    charts = []
    if sets:
        charts.append(_sizes(rows[0]))
    elif len(rows[-1]["steps"]) > 1:
        points, bands = {}, {}
        for row in rows:
            name, steps = f"found, {percent(row['level'])}", [(one["step"], one["coverage"]) for one in row["steps"]]
            points[name] = [(step, found["value"]) for step, found in steps]
            bands[name] = [(step, found["low"], found["high"]) for step, found in steps]
        title, y = "Coverage by step ahead", "share of truths inside"
        charts.append(lines(title, points, x="steps ahead", y=y, bands=bands, width=300))
    fitted = found["n"]
    return {
        "sets": sets,
        "rows": rows,
        "by_class": found.get("by_class", False),
        "fitted": f"{count(min(fitted))}{f' to {count(max(fitted))}' if max(fitted) != min(fitted) else ''}",
        "classes": rows[0].get("classes", []) if sets else [],
        "charts": charts,
    }


def _sizes(row: Mapping[str, Any]) -> Chart:
    total = sum(row["sizes"]) or 1
    last = max((place for place, number in enumerate(row["sizes"]) if number), default=0)
    rows = []
    for place, number in enumerate(row["sizes"][: last + 1]):
        name = plural(place, "class", "classes")
        tip = f"{name} in the set: {plural(number, 'record')}, {percent(number / total)}"
        rows.append({"name": name, "n": number, "tip": tip})
    axis = {"domain": False, "ticks": False}
    spec = {
        "width": 260,
        "height": {"step": 22},
        "data": {"values": rows},
        "mark": {"type": "bar", "color": MODEL, "height": 13},
        "encoding": {
            "y": {
                "field": "name",
                "type": "nominal",
                "sort": [one["name"] for one in rows],
                "title": None,
                "axis": {**axis, "labelColor": INK},
            },
            "x": {
                "field": "n",
                "type": "quantitative",
                "title": "records",
                "axis": {**axis, "tickCount": 4, "format": "~s"},
            },
            "opacity": {"condition": {"test": "datum.name === at", "value": 0.85}, "value": 0.55},
        },
    }
    title = f"Classes in a set of level {percent(row['level'])}"
    return make_chart(
        title,
        spec,
        f"{title}: " + ", ".join(one["tip"] for one in rows),
        columns=("classes in the set", "records"),
        rows=[(one["name"], one["n"]) for one in rows],
        tips=[(one["name"], one["tip"]) for one in rows],
    )


def _abstention(found: Mapping[str, Any]) -> dict[str, Any]:
    points = {"accuracy of the surest": [(row["share"], row["accuracy"]) for row in reversed(found["curve"])]}
    rules = {
        "set": "a record is answered where its set holds one class",
        "accuracy": f"a record is answered from a probability of {figure(found['limit'])} on",
    }
    chart = lines("Accuracy by share answered", points, x="share answered", y="accuracy", width=300)
    return {**found, "chart": chart, "said": rules.get(found["rule"], words(found["rule"]))}


def _disagreement(found: Mapping[str, Any]) -> dict[str, Any]:
    rows = [(DOUBTS.get(name, words(name)), value) for name, value in found["auroc"].items()]
    return {**found, "rows": rows}
