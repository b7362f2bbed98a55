"""The monitoring page of the report site: what alarmed when, objectives, every column then and now."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightloop.config.monitoring import Act
from lightloop.files import replacing, write_json
from lightloop.monitoring.alerts.message import DOES
from lightloop.monitoring.findings import Distribution, Finding, Monitoring, WindowFindings
from lightloop.monitoring.rule import WORDS
from lightloop.project import Project
from lightloop.report.charts import MODEL, SECOND, Chart, Series, Spec, lines, make_chart
from lightloop.report.site import ROOM, environment

PAGE: Final = "monitoring.html"
MOST: Final = 12  # columns that are drawn: each costs a fifth of a second
SECTIONS: Final = (
    ("act", "To be done"),
    ("windows", "Windows"),
    ("objectives", "Objectives"),
    ("columns", "Inputs and answers"),
    ("findings", "All looks"),
)
TITLES: Final[dict[Act, str]] = {
    "nothing": "All well",
    "issue": "Look at it",
    "retrain": "Retrain",
    "rollback": "Roll back",
}
# Kinds whose value over the windows is drawn, where there is more than one window.
DRAWN: Final = ("performance", "estimated_performance", "feature_drift", "prediction_drift", "label_drift", "latency")
LINES: Final = 4


@dataclass(frozen=True)
class Row:
    """A look in all windows; None where it was not made."""

    title: str
    name: str
    cells: tuple[Finding | None, ...]


@dataclass(frozen=True)
class KindOf:
    """All looks of a kind in the newest window, alarms first."""

    title: str
    alarms: int
    findings: tuple[Finding, ...]


def write_page(project: Project, monitoring: Monitoring) -> Path:
    """Write `reports/monitoring.html` and `.json`, and remember the result for `keep_page`.

    The same result gives the same bytes.

    Returns:
        The page.
    """
    write_json(_last(project), monitoring.model_dump(mode="json"))
    write_json(project.reports / "monitoring.json", monitoring.model_dump(mode="json"))
    return _write(project.reports, monitoring)


def keep_page(project: Project, folder: Path | None = None) -> None:
    """Write the page again where the loop removed it with the rest of the report; one without a result says so.

    Args:
        project: of the last result.
        folder: of the site; default: `reports/`.
    """
    reports = folder or project.reports
    if (reports / PAGE).exists():
        return
    try:
        monitoring = Monitoring.model_validate_json(_last(project).read_bytes())
    except (OSError, ValueError):
        _write(reports, None)
        return
    write_json(reports / "monitoring.json", monitoring.model_dump(mode="json"))
    _write(reports, monitoring)


def _last(project: Project) -> Path:
    return project.scratch / "monitoring" / "last.json"


def _write(reports: Path, monitoring: Monitoring | None) -> Path:
    page = reports / PAGE
    content = _content(monitoring) if monitoring is not None else {"found": None, "navigation": SECTIONS[:1]}
    text = environment().get_template("monitoring.html.j2").render(**content, linked=True)
    write_beside_assets(page, text)
    return page


def write_beside_assets(page: Path, text: str) -> None:
    """Write a page of the site, and the assets where the report has not brought them."""
    if not (page.parent / "assets").exists():
        shutil.copytree(ROOM / "static", page.parent / "assets")
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _content(found: Monitoring) -> dict[str, Any]:
    newest = found.windows[-1]
    ranked = _ranked(found, newest)
    return {
        "found": found,
        "navigation": SECTIONS,
        "newest": newest,
        "titles": TITLES,
        "does": DOES,
        "alarms": sum(one.alarm for one in newest.findings),
        "matrix": _matrix(found.windows),
        "over_time": _over_time(found.windows),
        "charts": [_distribution(one) for one in ranked[:MOST]],
        "others": [(one.name, _moved(one)) for one in ranked[MOST:]],
        "kinds": _kinds(newest),
        "hours": _hours,
    }


def _matrix(windows: Sequence[WindowFindings]) -> list[Row]:
    """The looks that alarmed in one of the windows, in the order of their kinds."""
    by_window = [{(one.kind, one.name): one for one in window.findings} for window in windows]
    alarmed = {key for found in by_window for key, one in found.items() if one.alarm}
    order = list(WORDS)
    return [
        Row(_title(kind), name, tuple(found.get((kind, name)) for found in by_window))
        for kind, name in sorted(alarmed, key=lambda key: (order.index(key[0]), key[1]))
    ]


def _kinds(newest: WindowFindings) -> list[KindOf]:
    found = []
    for kind in WORDS:
        own = [one for one in newest.findings if one.kind == kind]
        if own:
            own.sort(key=lambda one: not one.alarm)
            found.append(KindOf(_title(kind), sum(one.alarm for one in own), tuple(own)))
    return sorted(found, key=lambda one: not one.alarms)


def _title(kind: str) -> str:
    words = WORDS[kind].removeprefix("the ")
    return words[0].upper() + words[1:]


def _over_time(windows: Sequence[WindowFindings]) -> list[Chart]:
    """The figures of some kinds over the windows: the looks with the most alarms, then the largest figures."""
    if len(windows) < 2:
        return []
    charts = []
    for kind in DRAWN:
        own: dict[str, list[tuple[int, Finding]]] = {}
        for place, window in enumerate(windows, start=1):
            for one in window.findings:
                if one.kind == kind and one.value is not None:
                    own.setdefault(one.name, []).append((place, one))
        ranked = sorted(
            own.items(),
            key=lambda item: (-sum(one.alarm for _, one in item[1]), -abs(item[1][-1][1].value or 0.0), item[0]),
        )
        chosen = {name or _title(kind): [(float(x), one.value) for x, one in found] for name, found in ranked[:LINES]}
        if any(len(line) > 1 for line in chosen.values()):
            styles = ("model", "second", "third", "fourth")
            charts.append(lines(_title(kind), chosen, x="window", y="value", styles=styles))
    return charts


def _ranked(found: Monitoring, newest: WindowFindings) -> list[Distribution]:
    alarmed = {one.name for one in newest.findings if one.alarm and one.kind in ("feature_drift", "prediction_drift")}
    return sorted(found.distributions, key=lambda one: (one.name not in alarmed, -_moved(one), one.name))


def _moved(one: Distribution) -> float:
    """The share of the records that would have to be moved from bin to bin."""
    return sum(abs(a - b) for a, b in zip(one.then, one.now, strict=True)) / 2


def _distribution(one: Distribution) -> Chart:
    """Bars of the window, and beside them what was."""
    names = one.values or [f"{low:.4g} to {high:.4g}" for low, high in zip(one.edges, one.edges[1:], strict=False)]
    rows: list[dict[str, Any]] = [
        {"name": name, "place": place, "then": then, "now": now}
        for place, (name, then, now) in enumerate(zip(names, one.then, one.now, strict=True))
    ]
    before = "the training records" if one.of == "input" else "the held-out answers"
    worst = max(rows, key=lambda row: abs(float(row["now"]) - float(row["then"])))
    return make_chart(
        one.name,
        _bars(one, rows),
        f"{one.name}, in {one.n_now:,} records of the newest window and {one.n_then:,} of {before}: most differs "
        f"{worst['name']}, {float(worst['now']):.1%} and {float(worst['then']):.1%} then",
        columns=("value", "then", "now"),
        rows=[(row["name"], row["then"], row["now"]) for row in rows],
        series=[Series(f"{_moved(one):.1%} moved", "model")],
        tips=[
            (row["place"], f"{row['name']}\nnow {float(row['now']):.1%}\nthen {float(row['then']):.1%}") for row in rows
        ],
    )


def _bars(one: Distribution, rows: list[dict[str, Any]]) -> Spec:
    labels = one.values or [f"{edge:.3g}" for edge in one.edges]
    last = len(rows) - 1
    # Bins are drawn by their places: their widths are the same, and labels stand at the ends that they have.
    ticks = list(range(len(rows))) if one.values else sorted({0, len(rows) // 2, last + 1})
    shown = {place: labels[place][:10] for place in ticks}
    words = " : ".join(f"datum.value == {place} ? {_quoted(text)}" for place, text in shown.items()) + " : ''"
    left, right = ("datum.place - 0.5", "datum.place + 0.5") if one.values else ("datum.place", "datum.place + 1")
    x = {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [-0.5, last + 0.5] if one.values else [0, last + 1], "nice": False},
        "axis": {
            "grid": False,
            "values": ticks,
            "labelExpr": words,
            "labelAngle": -40 if one.values and last > 2 else 0,
            "labelOverlap": False,
        },
    }
    y = {
        "type": "quantitative",
        "title": None,
        "scale": {"zero": True},
        "axis": {"tickCount": 4, "format": ".0%", "domain": False, "ticks": False},
    }
    opacity = {"condition": {"test": "datum.place === at", "value": 0.9}, "value": 0.5}
    return {
        "width": 250,
        "height": 130,
        "data": {"values": rows},
        "transform": [{"calculate": left, "as": "low"}, {"calculate": right, "as": "high"}],
        "layer": [
            {
                "mark": {"type": "bar", "color": MODEL},
                "encoding": {
                    "x": {"field": "low", **x},
                    "x2": {"field": "high"},
                    "y": {"field": "now", **y},
                    "y2": {"datum": 0},
                    "opacity": opacity,
                },
            },
            {
                "mark": {"type": "rule", "color": SECOND, "strokeWidth": 2.5},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "y": {"field": "then", **y}},
            },
        ],
    }


def _quoted(text: str) -> str:
    """A text inside an expression of Vega."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ") + "'"


def _hours(hours: float) -> str:
    """A span in the unit that people use.

    Examples:
        >>> _hours(1.0), _hours(6.0), _hours(72.0)
        ('1 hour', '6 hours', '3 days')
    """
    if hours >= 48:
        return f"{hours / 24:g} days"
    return "1 hour" if hours == 1 else f"{hours:g} hours"
