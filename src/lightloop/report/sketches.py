"""Small still pictures that stand beside words: an estimate with its interval, a stretch of a series."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from lightloop.report.charts import INK, MODEL, MUTED, PEER, SECOND, Points, Rows, Spec, by_series, draw, ends


def intervals(estimates: Mapping[str, Mapping[str, float | None]], label: str) -> Markup | None:
    """Model and baseline of one metric as dots with whiskers on one axis, or None where nothing is defined."""
    rows: Rows = [{"s": name, **estimate} for name, estimate in estimates.items() if estimate.get("value") is not None]
    if not rows:
        return None
    names = list(estimates)
    y = {"field": "s", "type": "nominal", "sort": names, "axis": None, "scale": {"domain": names}}
    color = by_series(names, [MODEL, PEER][: len(names)])
    x = {
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False, "nice": True, "padding": 6},
        "axis": {"tickCount": 4, "grid": True, "domain": False, "ticks": False},
    }
    spec = {
        "width": 250,
        "height": 40,
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.55, "strokeCap": "round"},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "y": y, "color": color},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"x": {"field": "value", **x}, "y": y, "color": color},
            },
        ],
    }
    return draw(spec, label)


def stretch(points: Points, label: str, attributions: Sequence[tuple[float, float]] = ()) -> Markup:
    """A small picture of a series, of what followed and what was forecast; under it bars of attributions by step."""
    styles = [MUTED, INK, SECOND]
    names = list(points)
    rows: Rows = [{"x": a, "y": b, "s": name} for name, line in points.items() for a, b in line if b is not None]
    x = {"field": "x", "type": "quantitative", "scale": {"zero": False, "nice": False}}
    steps: Spec = {"grid": False, "tickCount": 5, "format": "d"}
    upper: Spec = {
        "width": 300,
        "height": 84,
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 1.6},
        "encoding": {
            "x": {
                **x,
                "title": None,
                "axis": {**steps, "labels": not attributions},
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "title": None,
                "scale": {"zero": False},
                "axis": {"tickCount": 3, "domain": False, "ticks": False, "minExtent": 34},
            },
            "color": by_series(names, styles[: len(names)]),
            "strokeDash": by_series(names, [[1, 0], [1, 0], [5, 2]][: len(names)]),
        },
    }
    if not attributions:
        return draw(upper, f"{label}. {ends(points)}")
    lower: Spec = {
        "width": 300,
        "height": 46,
        "data": {"values": [{"x": a, "y": b} for a, b in attributions]},
        "mark": {"type": "rule", "strokeWidth": max(1.0, 240 / max(1, len(attributions)))},
        "encoding": {
            "x": {
                **x,
                "title": "steps before the last known one",
                "axis": steps,
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "title": None,
                "axis": {"tickCount": 2, "domain": False, "ticks": False, "minExtent": 34},
            },
            "y2": {"datum": 0},
            "color": {"condition": {"test": "datum.y >= 0", "value": SECOND}, "value": MODEL},
        },
    }
    scale = {"resolve": {"scale": {"x": "shared"}}}
    return draw({"vconcat": [upper, lower], "spacing": 6, **scale}, f"{label}. {ends(points)}")
