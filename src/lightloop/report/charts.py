"""Charts: a Vega-Lite specification, drawn as a still picture (SVG) and, by the same library in the browser, alive.

The picture is on the page from the start, so that a chart is seen without a script and on paper; `static/charts.js`
puts the living one in its place when it comes into view. Colours are CSS variables of the page, so that both follow
the theme.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert
from markupsafe import Markup, escape

from lightloop.report.figures import plain

Rows = list[dict[str, Any]]
Spec = dict[str, Any]
Points = Mapping[str, Sequence[tuple[float, float | None]]]  # by series, (x, y)
Bands = Mapping[str, Sequence[tuple[float, float | None, float | None]]]  # by series, (x, low, high)
Style = tuple[str, str, list[int]]  # name, colour, dashes

VEGA_LITE = "6.4"  # as static/vega-lite.min.js
DIGITS = 6  # of a number in a specification: more are not seen
# Colours that no other text of a drawing can be; the page's variables take their place.
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

# The picture has one name; its parts have none, and need no role.
SILENT = re.compile(r' (?:role="graphics-[a-z]+"|aria-roledescription="[^"]*")')


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
        svg: the still picture, safe to put into a page.
        spec: what the browser draws in its place, as JSON that is safe inside a script element.
        label: what the picture says, in words.
        series: its legend; empty for one series.
        columns: heads of its table, the alternative for those who don't see the picture.
        rows: of its table.
    """

    title: str
    svg: Markup
    spec: Markup
    label: str
    series: tuple[Series, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def make_chart(
    title: str,
    spec: Mapping[str, Any],
    label: str,
    *,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    series: Sequence[Series] = (),
    tips: Sequence[tuple[Any, str]] = (),
    still: Mapping[str, Any] | None = None,
) -> Chart:
    """A chart of any Vega-Lite specification.

    Args:
        title: what is drawn.
        spec: with colours of this module only. Its marks may read two parameters: `at`, the place that a reader points
            to (one of `tips`, or null), and `shown`, the titles of the series that were not switched off.
        label: what the picture says, in words.
        columns: heads of the table.
        rows: of the table.
        series: the legend.
        tips: what is said of a place, by its value on the horizontal axis or its name; the arrow keys go from one to
            the next. A mark whose datum has a field `tip` says that instead.
        still: what the picture is drawn of, where that is less than `spec`.
    """
    shown = [one.title for one in series]
    params = [{"name": "at", "value": None}, {"name": "shown", "value": shown}]
    return Chart(
        title=title,
        svg=draw({**(still or spec), "params": params}, label),
        spec=embedded({**spec, "params": params, "config": CONFIG, "usermeta": {"tips": [list(tip) for tip in tips]}}),
        label=label,
        series=tuple(series),
        columns=tuple(columns),
        rows=tuple(tuple(row) for row in rows),
    )


def draw(spec: Mapping[str, Any], label: str) -> Markup:
    """Draw a Vega-Lite specification as SVG with a text alternative.

    Args:
        spec: with colours of this module only.
        label: what the picture says, in words.

    Returns:
        Markup; whatever text of the data is in it was escaped by Vega.
    """
    svg: str = vl_convert.vegalite_to_svg({**spec, "config": CONFIG}, vl_version=VEGA_LITE)
    start, body = SILENT.sub("", _with_variables(svg)).split(">", 1)
    box = start[start.index("viewBox=") :].split('"')[1]
    width = box.split()[2]
    head = f'<svg viewBox="{box}" style="max-width:{1.3 * float(width):.0f}px" role="img" aria-label="{escape(label)}"'
    return Markup(head + ' focusable="false">' + body)  # noqa: S704 - Vega escapes the data's text, `label` is escaped


def embedded(spec: Mapping[str, Any]) -> Markup:
    r"""JSON that is safe inside a script element, with short numbers and the page's colours.

    Examples:
        >>> str(embedded({"a": [0.123456789, "</script>"], "b": "#0a0b00"}))
        '{"a":[0.123457,"\\u003c/script\\u003e"],"b":"var(--ink)"}'
    """
    text = json.dumps(_short(spec), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(_with_variables(text))  # noqa: S704 - nothing that could end the element is left


def _short(content: Any) -> Any:
    match content:
        case float():
            return float(f"{content:.{DIGITS}g}")
        case Mapping():
            return {key: _short(item) for key, item in content.items()}
        case list() | tuple():
            return [_short(item) for item in content]
        case _:
            return content


def _with_variables(text: str) -> str:
    for placeholder, variable in VARIABLES.items():
        text = text.replace(f'"{placeholder}"', f'"var({variable})"')
    return text


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
    bands: Bands | None = None,
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
        bands: by series its intervals, drawn as whiskers.
    """
    known = {style[0]: style for style in STYLES}
    used = [known[styles[min(position, len(styles) - 1)]] for position in range(len(points))]
    table: dict[float, list[Any]] = {}
    for position, line in enumerate(points.values()):
        for a, b in line:
            table.setdefault(a, [None] * len(points))[position] = b
    said = {(name, a): (low, high) for name, line in (bands or {}).items() for a, low, high in line}
    tips = [(a, _tip(x, a, list(points), values, said)) for a, values in sorted(table.items())]
    marks = [_line_marks(points, used, x, percent=percent), _here([a for a, _ in tips])]
    if bands:
        marks.insert(0, _whiskers(bands, points, used))
    if rule is not None:
        marks.insert(0, _rule_mark(rule))
    return make_chart(
        title,
        {"width": width, "height": round(0.63 * width), "layer": marks},
        f"{title}: {y} over {x}. {ends(points)}",
        series=[Series(name, style[0]) for name, style in zip(points, used, strict=True)],
        columns=(x, *points),
        rows=[(a, *_bounded(a, points, values, said)) for a, values in sorted(table.items())],
        tips=tips,
    )


def _bounded(a: float, points: Points, values: Sequence[Any], said: Mapping[Any, Any]) -> list[Any]:
    """The values at one place, those with an interval together with it."""
    return [
        {"value": value, "low": said[name, a][0], "high": said[name, a][1]} if (name, a) in said else value
        for name, value in zip(points, values, strict=True)
    ]


def _tip(x: str, a: float, names: Sequence[str], values: Sequence[Any], said: Mapping[Any, Any]) -> str:
    """What is said of one place on the horizontal axis."""
    shown = _bounded(a, dict.fromkeys(names, ()), values, said)
    found = [f"{name}: {plain(one)}" for name, one in zip(names, shown, strict=True) if one is not None]
    return "\n".join([f"{x} {plain(a)}", *found])


def _line_marks(points: Points, used: Sequence[Style], x: str, *, percent: bool) -> Spec:
    rows: Rows = [{"x": a, "y": b, "s": name} for name, line in points.items() for a, b in line if b is not None]
    whole = all(float(row["x"]).is_integer() for row in rows)
    share = {"format": ".0%"} if percent else {}
    names = list(points)
    return {
        "data": {"values": rows},
        # A single epoch is no line: its points are drawn then.
        "mark": {"type": "line", "strokeWidth": 2, "point": len(rows) <= 2 * len(points)},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "title": x,
                "scale": {"zero": False, "nice": False},
                "axis": {
                    "grid": False,
                    "tickCount": 6,
                    **({"format": "d", "tickMinStep": 1} if whole else {}),
                    **share,
                },
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "title": None,
                "scale": {"domain": [0, 1]} if percent else {"zero": False},
                "axis": {"tickCount": 5, "domain": False, "ticks": False, "minExtent": 34, **share},
            },
            "color": by_series(names, [style[1] for style in used]),
            "strokeDash": by_series(names, [style[2] for style in used]),
            "opacity": _if_shown(),
        },
    }


def _whiskers(bands: Bands, points: Points, used: Sequence[Style]) -> Spec:
    rows: Rows = [
        {"x": a, "low": low, "high": high, "s": name}
        for name, line in bands.items()
        for a, low, high in line
        if low is not None and high is not None
    ]
    return {
        "data": {"values": rows},
        "mark": {"type": "rule", "strokeWidth": 4, "strokeCap": "round"},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "low", "type": "quantitative", "title": None},
            "y2": {"field": "high"},
            "color": by_series(list(points), [style[1] for style in used]),
            "opacity": _if_shown(0.3),
        },
    }


def _if_shown(opacity: float = 1) -> Spec:
    """Opacity of a series: one that a reader switched off stays faintly there, so that no axis jumps."""
    return {"condition": {"test": "indexof(shown, datum.s) < 0", "value": 0.06}, "value": opacity}


def _here(places: Sequence[float]) -> Spec:
    """A line at the place that a reader points to."""
    return {
        "data": {"values": [{"x": place} for place in places]},
        "transform": [{"filter": "datum.x === at"}],
        "mark": {"type": "rule", "color": MUTED, "strokeWidth": 1},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }


def by_series(names: list[str], values: list[Any]) -> Spec:
    """An encoding by the field `s`, one value a series, without a legend: the page has its own."""
    return {"field": "s", "type": "nominal", "scale": {"domain": names, "range": values}, "legend": None}


def _rule_mark(x: float) -> Spec:
    return {
        "mark": {"type": "rule", "color": MUTED, "strokeDash": [2, 3]},
        "data": {"values": [{"x": x}]},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }


def ranking(rows: Rows, title: str, unit: str, column: str = "name") -> Chart:
    """Bars with whiskers, in the order of `rows`.

    Args:
        rows: `name`, `value`, `low` and `high` each; bounds may be None.
        title: what is drawn.
        unit: of the values.
        column: what the names are, for the table.
    """
    names = [row["name"] for row in rows]
    y = {"field": "name", "type": "nominal", "sort": names, "title": None}
    axis = {"labelLimit": 130, "domain": False, "ticks": False, "labelColor": INK}
    x = {"type": "quantitative", "title": unit, "axis": {"tickCount": 4, "domain": False, "ticks": False}}
    opacity = {"condition": {"test": "datum.name === at", "value": 0.85}, "value": 0.45}
    bounded = [row for row in rows if row["low"] is not None and row["high"] is not None]
    spec = {
        "width": 230,
        "height": {"step": 19},
        "encoding": {"y": {**y, "axis": axis}},
        "layer": [
            {
                "data": {"values": [{"name": row["name"], "value": row["value"]} for row in rows]},
                "mark": {"type": "bar", "color": MODEL, "height": 11},
                "encoding": {"x": {"field": "value", **x}, "opacity": opacity},
            },
            {
                "data": {"values": [{key: row[key] for key in ("name", "low", "high")} for row in bounded]},
                "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
            },
        ],
    }
    bounds = [{key: row[key] for key in ("value", "low", "high")} for row in rows]
    return make_chart(
        title,
        spec,
        f"{title}: " + ", ".join(f"{row['name']} {row['value']:.3g}" for row in rows),
        columns=(column, "value", "from", "to"),
        rows=[(row["name"], row["value"], row["low"], row["high"]) for row in rows],
        tips=[(name, f"{name}: {plain(bound)}") for name, bound in zip(names, bounds, strict=True)],
    )


def ends(points: Points) -> str:
    """Where each series starts and ends, in words."""
    parts = []
    for name, line in points.items():
        known = [value for _, value in line if value is not None]
        if known:
            parts.append(f"{name} from {known[0]:.3g} to {known[-1]:.3g}")
    return "; ".join(parts)
