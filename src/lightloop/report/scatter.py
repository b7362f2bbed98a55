"""Clouds of points: two numbers of each record, with the lines that they are read against."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightloop.report.charts import MODEL, MUTED, Chart, Spec, make_chart
from lightloop.report.figures import plain

Point = tuple[float | str, float, str]  # x, y, whose


def scatter(
    title: str,
    points: Sequence[Point],
    label: str,
    *,
    x: str,
    y: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    diagonal: tuple[float, float] | None = None,
    across: Sequence[float] = (),
    down: Sequence[float] = (),
    axis_y: Mapping[str, Any] | None = None,
    size: tuple[int, int] = (300, 240),
    dot: int = 20,
    names: bool = False,
) -> Chart:
    """Points that say whose they are, and can be zoomed into (the wheel with Ctrl, dragging; a double click goes back).

    Args:
        title: what is drawn.
        points: x, y and the name of each.
        label: what the picture says, in words.
        x: title of the horizontal axis.
        y: title of the vertical axis.
        columns: heads of the table, which sums the points up.
        rows: of the table.
        diagonal: from where to where to draw the line on which both numbers are the same; both axes then span it.
        across: where to draw horizontal lines.
        down: where to draw vertical lines.
        axis_y: more of the vertical axis, in Vega-Lite's terms.
        size: width and height of the drawing in pixels.
        dot: area of a point in pixels.
        names: whether x are names; such a cloud is not zoomed into.
    """
    scale = {"domain": list(diagonal), "nice": True, "zero": False} if diagonal else {"zero": False}
    encoding: Spec = {
        "x": {"field": "x", "type": "quantitative", "title": x, "scale": scale, "axis": {"tickCount": 5}},
        "y": {
            "field": "y",
            "type": "quantitative",
            "title": y,
            "scale": scale,
            "axis": {"tickCount": 5, "domain": False, "ticks": False},
            **(axis_y or {}),
        },
    }
    if names:
        encoding["x"] = {"field": "x", "type": "nominal", "title": x, "axis": {"labelAngle": 0, "labelLimit": 80}}
    dashed = {"color": MUTED, "strokeDash": [2, 3]}
    layers: list[Spec] = [
        {
            "data": {"values": [{axis: place} for place in places]},
            "mark": {"type": "rule", **dashed},
            "encoding": {axis: {"field": axis, "type": "quantitative"}},
        }
        for axis, places in (("y", across), ("x", down))
        if places
    ]
    if diagonal:
        layers.append(
            {
                "data": {"values": [{"x": place, "y": place} for place in diagonal]},
                "mark": {"type": "line", "strokeWidth": 1, **dashed},
                "encoding": encoding,
            }
        )
    tips = ["\n".join(filter(None, (name, f"{x}: {plain(a)}", f"{y}: {plain(b)}"))) for a, b, name in points]
    window = {"name": "window", "select": {"type": "interval", "zoom": "wheel![event.ctrlKey]"}, "bind": "scales"}
    cloud: Spec = {
        "data": {"values": [{"x": a, "y": b, "tip": tip} for (a, b, _), tip in zip(points, tips, strict=True)]},
        "mark": {"type": "circle", "color": MODEL, "opacity": 0.45, "size": dot},
        "encoding": encoding,
    }
    frame = {"width": size[0], "height": size[1]}
    still = {**frame, "layer": [*layers, cloud]}
    # What is clipped has an identifier that no two drawings of one process share, so the picture goes without.
    alive = {**cloud, "mark": {**cloud["mark"], "clip": True}, "params": [window]}
    spec = still if names else {**frame, "layer": [*layers, alive]}
    return make_chart(title, spec, label, columns=columns, rows=rows, still=still)
