"""The section of compression: what each way to a smaller bundle costs, from compression.json and its speeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightloop.report.charts import INK, MODEL, MUTED, SECOND, Chart, Rows, make_chart
from lightloop.report.evidence import Evidence
from lightloop.report.figures import figure, plain, words

Row = Mapping[str, Any]
# Processor features that small numbers gain from begin so, as PyTorch names them.
TOLD = ("amx", "avx2", "avx512_bf16", "avx512_f", "avx512_vnni", "avx_vnni", "f16c", "i8mm", "neon", "sve")
STEPS = {
    "dynamic_int8": "int8 weights, activations at each request",
    "static_int8": "int8 weights and activations",
    "float16": "float16",
    "prune": "smallest weights left out",
    "narrow": "channels removed",
    "distil": "a smaller network that a teacher taught",
}


def compression(evidence: Evidence) -> dict[str, Any] | None:
    """Ways, charts and what was chosen; None where nothing was tried.

    Returns:
        `content` of the file; `rows` that were made, the network itself first, each with `milliseconds` (None where
        nothing was measured), `smaller` (times) and `told`; `refused`: those that do not apply; `charts`; `chosen`: the
        row that is released; `processor` in words.
    """
    content = evidence.compression
    if content is None or not content["applies"]:
        return None
    speed = evidence.compression_speed or {}
    spent = speed.get("milliseconds", {})
    made = [row for row in content["candidates"] if row["why"] is None]
    first = made[0]
    rows = [
        {
            **row,
            "told": way(row["steps"]),
            "milliseconds": spent.get(row["name"]),
            "smaller": first["bytes"]["graph"] / row["bytes"]["graph"],
        }
        for row in made
    ]
    metric = evidence.specs[content["metric"]].title if content["metric"] in evidence.specs else content["metric"]
    charts = [_tradeoff(rows, content, f"Size and {metric}", "kilobytes of the graph", _kilobytes)]
    if spent:
        charts.append(_tradeoff(rows, content, f"Speed and {metric}", "milliseconds for 64 records", _milliseconds))
    features = speed.get("processor", {}).get("features", [])
    return {
        "content": content,
        "metric": metric,
        "rows": rows,
        "refused": [row for row in content["candidates"] if row["why"] is not None],
        "charts": charts,
        "chosen": next(row for row in rows if row["chosen"]),
        "speed": speed,
        "processor": ", ".join(name for name in features if name.startswith(TOLD)),
    }


def sentence(evidence: Evidence) -> str | None:
    """For the model card: what was done to the network, and what it costs; None where nothing was."""
    found = compression(evidence)
    if found is None or not found["chosen"]["steps"]:
        return None
    row, content = found["chosen"], found["content"]
    difference = row["test"]["difference"]
    return (
        f"Made smaller after training ({row['told']}), {row['smaller']:.1f} times. {found['metric']} changes by "
        f"{figure(difference['value'])} (one-sided {content['confidence']:.0%} bounds {figure(difference['low'])} and "
        f"{figure(difference['high'])}) on {content['n']['test']} test records; "
        f"{row['test']['agreement']:.1%} of the answers stay the same. Figures of the evaluation are those of the "
        "network before; the gate judged the bundle's own answers."
    )


def way(steps: Sequence[Row]) -> str:
    """The steps of a way in words.

    Examples:
        >>> way([{"name": "narrow", "keep": 0.5}, {"name": "float16"}])
        'channels removed (keep 0.5), float16'
    """
    parts = []
    for step in steps:
        kept = {key: value for key, value in step.items() if key in ("keep", "sparsity", "teacher", "shrink")}
        more = ", ".join(f"{words(key)} {plain(value)}" for key, value in kept.items() if value != "model")
        parts.append(STEPS.get(step["name"], words(step["name"])) + (f" ({more})" if more else ""))
    return ", ".join(parts) or "as it was trained"


def _kilobytes(row: Row) -> float | None:
    return float(row["bytes"]["graph"]) / 1e3


def _milliseconds(row: Row) -> float | None:
    return float(row["milliseconds"]["64"]) if row["milliseconds"] else None


def _tradeoff(rows: Sequence[Row], content: Row, title: str, across: str, place: Any) -> Chart:
    """Dots with the interval of what is lost, by what they cost; a dashed line is as much as may be lost."""
    points: Rows = []
    for row in rows:
        change = row["test"]["difference"]
        if place(row) is not None and change["value"] is not None:
            bounds = {key: change[key] for key in ("value", "low", "high")}
            points.append({"name": words(row["name"]), "x": place(row), "chosen": row["chosen"], **bounds})
    tips = [
        (one["name"], f"{one['name']}: {plain({key: one[key] for key in ('x', 'value', 'low', 'high')})}")
        for one in points
    ]
    for one, (_, tip) in zip(points, tips, strict=True):
        one["tip"] = tip
    lowest = min([0.0, -content["max_loss"], *(one["low"] for one in points)])
    highest = max([0.0, *(one["high"] for one in points)])
    room = 0.06 * (highest - lowest or 1.0)
    scale = {"domain": [lowest - room, highest + room], "nice": False}
    x = {
        "field": "x",
        "type": "quantitative",
        "title": across,
        "scale": {"zero": True},
        "axis": {"tickCount": 5, "grid": False},
    }
    y = {"type": "quantitative", "title": "change on the test records", "scale": scale, "axis": {"tickCount": 5}}
    color = {"condition": {"test": "datum.chosen", "value": MODEL}, "value": SECOND}
    spec = {
        "width": 270,
        "height": 220,
        "data": {"values": points},
        "encoding": {"x": x},
        "layer": [
            {
                "data": {"values": [{"y": -content["max_loss"]}]},
                "mark": {"type": "rule", "color": MUTED, "strokeDash": [2, 3]},
                "encoding": {"y": {"field": "y", **y}, "x": {"value": 0}, "x2": {"value": "width"}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"y": {"field": "low", **y}, "y2": {"field": "high"}, "color": color},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {"y": {"field": "value", **y}, "color": color},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 7, "dy": -6, "fontSize": 10, "color": INK},
                "encoding": {"y": {"field": "value", **y}, "text": {"field": "name"}},
            },
        ],
    }
    label = f"{title}, by way: " + "; ".join(tip for _, tip in tips)
    return make_chart(
        title,
        spec,
        label,
        columns=("way", across, "change", "at least", "at most"),
        rows=[(one["name"], one["x"], one["value"], one["low"], one["high"]) for one in points],
    )
