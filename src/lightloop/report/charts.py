"""Charts as inline SVG, drawn by Vega-Lite through vl-convert: no script, no request, one picture for dark and light.

A chart is drawn with placeholder colours, which then become CSS variables of the page, so that it follows the theme.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert
from markupsafe import Markup, escape

Rows = list[dict[str, Any]]
Spec = dict[str, Any]
Points = Mapping[str, Sequence[tuple[float, float | None]]]  # by series, (x, y)
Style = tuple[str, str, list[int]]  # name, colour, dashes

VEGA_LITE = "6.4"
INK, MUTED, GRID, MODEL, SECOND, THIRD, PEER, SURFACE = (f"#0a0b{number:02x}" for number in range(8))
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    MODEL: "--model",
    SECOND: "--second",
    THIRD: "--third",
    PEER: "--peer",
    SURFACE: "--surface",
}
# A series is told by its colour and by its dashes: colour alone is not for everyone.
STYLES: tuple[Style, ...] = (
    ("model", MODEL, [1, 0]),
    ("second", SECOND, [6, 3]),
    ("third", THIRD, [2, 2]),
    ("fourth", MODEL, [2, 2, 6, 2]),
    ("fifth", SECOND, [1, 3]),
    ("peer", PEER, [8, 3, 2, 3]),
    ("faint", PEER, [2, 4]),
)
CONFIG = {
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "domainColor": GRID,
        "tickColor": GRID,
        "gridColor": GRID,
        "tickSize": 4,
        "titlePadding": 6,
    },
}


@dataclass(frozen=True)
class Series:
    """One line of a chart, for its legend.

    Attributes:
        title: as shown.
        style: name of its colour and dashes, of STYLES.
    """

    title: str
    style: str


@dataclass(frozen=True)
class Chart:
    """A picture with what stands beside it.

    Attributes:
        title: what is drawn.
        svg: the picture, safe to put into a page.
        series: its legend; empty for one series.
        columns: heads of its table, the alternative for those who don't see the picture.
        rows: of its table.
    """

    title: str
    svg: Markup
    series: tuple[Series, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def draw(spec: Mapping[str, Any], label: str) -> Markup:
    """Draw a Vega-Lite specification as SVG with a text alternative.

    Args:
        spec: with colours of this module only.
        label: what the picture says, in words.

    Returns:
        Markup; whatever text of the data is in it was escaped by Vega.
    """
    svg: str = vl_convert.vegalite_to_svg({**spec, "config": CONFIG}, vl_version=VEGA_LITE)
    for placeholder, variable in VARIABLES.items():
        svg = svg.replace(f'"{placeholder}"', f'"var({variable})"')
    start, body = svg.split(">", 1)
    box = start[start.index("viewBox=") :].split('"')[1]
    width = box.split()[2]
    head = f'<svg viewBox="{box}" style="max-width:{1.3 * float(width):.0f}px" role="img" aria-label="{escape(label)}"'
    return Markup(head + ' focusable="false">' + body)  # noqa: S704 - Vega escapes the data's text, `label` is escaped


def lines(
    title: str,
    points: Points,
    *,
    x: str,
    y: str,
    styles: Sequence[str] = ("model", "second", "third", "peer"),
    percent: bool = False,
    rule: float | None = None,
    width: int = 270,
) -> Chart:
    """Lines over a common horizontal axis.

    Args:
        title: what is drawn.
        points: by series its (x, y); undefined values are left out, not drawn as 0.
        x: title of the horizontal axis.
        y: title of the vertical axis.
        styles: of the series, in their order.
        percent: whether both axes are shares, from 0 to 100 percent.
        rule: where to draw a vertical line, such as the best epoch.
        width: of the drawing, in pixels; on the page it takes the room that there is.
    """
    known = {style[0]: style for style in STYLES}
    used = [known[styles[min(position, len(styles) - 1)]] for position in range(len(points))]
    marks = [_line_marks(points, used, x, percent=percent)]
    if rule is not None:
        marks.insert(0, _rule_mark(rule))
    spec = {"width": width, "height": round(0.63 * width), "layer": marks}
    table: dict[float, list[Any]] = {}
    for position, line in enumerate(points.values()):
        for a, b in line:
            table.setdefault(a, [None] * len(points))[position] = b
    return Chart(
        title=title,
        svg=draw(spec, f"{title}: {y} over {x}. {_ends(points)}"),
        series=tuple(Series(name, style[0]) for name, style in zip(points, used, strict=True)),
        columns=(x, *points),
        rows=tuple((a, *values) for a, values in sorted(table.items())),
    )


def _line_marks(points: Points, used: Sequence[Style], x: str, *, percent: bool) -> Spec:
    rows: Rows = [{"x": a, "y": b, "s": name} for name, line in points.items() for a, b in line if b is not None]
    whole = all(float(row["x"]).is_integer() for row in rows)
    share = {"format": ".0%"} if percent else {}
    names = list(points)
    return {
        # A single epoch is no line: its points are drawn then.
        "mark": {"type": "line", "strokeWidth": 2, "point": len(rows) <= 2 * len(points)},
        "data": {"values": rows},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "title": x,
                "scale": {"zero": False, "nice": False},
                "axis": {"grid": False, "tickCount": 6, "format": "d" if whole else "", **share},
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "title": None,
                "scale": {"domain": [0, 1]} if percent else {"zero": False},
                "axis": {"tickCount": 5, "domain": False, "ticks": False, "minExtent": 34, **share},
            },
            "color": _by_series(names, [style[1] for style in used]),
            "strokeDash": _by_series(names, [style[2] for style in used]),
        },
    }


def _by_series(names: list[str], values: list[Any]) -> Spec:
    return {"field": "s", "type": "nominal", "scale": {"domain": names, "range": values}, "legend": None}


def _rule_mark(x: float) -> Spec:
    return {
        "mark": {"type": "rule", "color": MUTED, "strokeDash": [2, 3]},
        "data": {"values": [{"x": x}]},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }


def reliability(bins: Rows) -> Chart:
    """Share of correct answers against the confidence that was claimed, with the number of records a bin below.

    Args:
        bins: of equal width: `low`, `high`, `n`, `confidence` and `accuracy` (None where a bin is empty).
    """
    filled = [row for row in bins if row["n"]]
    x = {"type": "quantitative", "scale": {"domain": [0, 1]}}
    shares = {"format": ".0%", "tickCount": 5}
    found = {
        "x": {"field": "confidence", **x, "title": None, "axis": {**shares, "labels": False, "grid": False}},
        "y": {
            "field": "accuracy",
            "type": "quantitative",
            "title": "share that was right",
            "scale": {"domain": [0, 1]},
            "axis": {**shares, "domain": False, "ticks": False},
        },
    }
    # A bin of few records is a small point: its share says little.
    size = {"field": "n", "type": "quantitative", "legend": None, "scale": {"range": [8, 130], "zero": True}}
    upper = {
        "width": 270,
        "height": 200,
        "data": {"values": filled},
        "layer": [
            {
                "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
                "mark": {"type": "line", "color": MUTED, "strokeDash": [2, 3], "strokeWidth": 1},
                "encoding": {"x": {"field": "x", **x}, "y": {"field": "y", "type": "quantitative"}},
            },
            {"mark": {"type": "line", "color": MODEL, "strokeWidth": 1, "opacity": 0.6}, "encoding": found},
            {"mark": {"type": "circle", "color": MODEL, "opacity": 1}, "encoding": {**found, "size": size}},
        ],
    }
    lower = {
        "width": 270,
        "height": 54,
        "data": {"values": bins},
        "mark": {"type": "rect", "color": PEER},
        "encoding": {
            "x": {"field": "low", **x, "title": "confidence of the model", "axis": {**shares, "grid": False}},
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
    label = "Reliability diagram: " + "; ".join(
        f"{row['low']:.0%} to {row['high']:.0%} confident: {row['accuracy']:.0%} right, n {row['n']}" for row in filled
    )
    return Chart(
        title="Calibration",
        svg=draw({"vconcat": [upper, lower], "spacing": 8}, label),
        series=(Series("model", "model"), Series("perfectly calibrated", "ideal"), Series("records", "records")),
        columns=("confidence from", "to", "records", "mean confidence", "share right"),
        rows=tuple((row["low"], row["high"], row["n"], row["confidence"], row["accuracy"]) for row in bins),
    )


def intervals(estimates: Mapping[str, Mapping[str, float | None]], label: str) -> Markup | None:
    """Model and baseline of one metric as dots with whiskers on one axis, or None where nothing is defined."""
    rows: Rows = [{"s": name, **estimate} for name, estimate in estimates.items() if estimate.get("value") is not None]
    if not rows:
        return None
    names = list(estimates)
    y = {"field": "s", "type": "nominal", "sort": names, "axis": None, "scale": {"domain": names}}
    color = _by_series(names, [MODEL, PEER][: len(names)])
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


def ranking(rows: Rows, title: str, unit: str) -> Chart:
    """Bars with whiskers, in the order of `rows`.

    Args:
        rows: `name`, `value`, `low` and `high` each.
        title: what is drawn.
        unit: of the values.
    """
    names = [row["name"] for row in rows]
    y = {"field": "name", "type": "nominal", "sort": names, "title": None}
    axis = {"labelLimit": 130, "domain": False, "ticks": False, "labelColor": INK}
    x = {"type": "quantitative", "title": unit, "axis": {"tickCount": 4, "domain": False, "ticks": False}}
    spec = {
        "width": 230,
        "height": {"step": 19},
        "data": {"values": rows},
        "encoding": {"y": {**y, "axis": axis}},
        "layer": [
            {
                "mark": {"type": "bar", "color": MODEL, "opacity": 0.45, "height": 11},
                "encoding": {"x": {"field": "value", **x}},
            },
            {
                "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
            },
        ],
    }
    label = f"{title}: " + ", ".join(f"{row['name']} {row['value']:.3g}" for row in rows)
    columns = ("", "mean", "from", "to")
    figures = tuple((row["name"], row["value"], row["low"], row["high"]) for row in rows)
    return Chart(title=title, svg=draw(spec, label), series=(), columns=columns, rows=figures)


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
            "color": _by_series(names, styles[: len(names)]),
            "strokeDash": _by_series(names, [[1, 0], [1, 0], [5, 2]][: len(names)]),
        },
    }
    if not attributions:
        return draw(upper, f"{label}. {_ends(points)}")
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
    return draw({"vconcat": [upper, lower], "spacing": 6, **scale}, f"{label}. {_ends(points)}")


def _ends(points: Points) -> str:
    parts = []
    for name, line in points.items():
        known = [value for _, value in line if value is not None]
        if known:
            parts.append(f"{name} from {known[0]:.3g} to {known[-1]:.3g}")
    return "; ".join(parts)
