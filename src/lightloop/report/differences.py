"""Differences with intervals, one below the other, against the line of no difference."""

from lightloop.report.charts import INK, MODEL, MUTED, SECOND, Chart, Rows, make_chart
from lightloop.report.figures import plain


def differences(rows: Rows, title: str, unit: str, column: str) -> Chart:
    """Dots with intervals; what lies wholly on one side of 0 is strong, the rest is pale.

    Args:
        rows: `name`, `value`, `low` and `high` each, and where it is known `margin`: down to where a loss is accepted.
        title: what is drawn.
        unit: of the differences.
        column: what the names are, for the table.
    """
    known = [row for row in rows if None not in (row["value"], row["low"], row["high"])]
    names = [row["name"] for row in known]
    tips = [
        (row["name"], f"{row['name']}: {plain({key: row[key] for key in ('value', 'low', 'high')})}") for row in known
    ]
    y = {"field": "name", "type": "nominal", "sort": names, "title": None}
    axis = {"labelLimit": 150, "domain": False, "ticks": False, "labelColor": INK}
    x = {"type": "quantitative", "title": unit, "axis": {"tickCount": 4, "domain": False, "ticks": False}}
    color = {"condition": {"test": "datum.value < 0", "value": SECOND}, "value": MODEL}
    values = [
        {**{key: row[key] for key in ("name", "value", "low", "high")}, "margin": row.get("margin")} for row in known
    ]
    clear = {"test": "datum.low > 0 || datum.high < 0", "value": 1}
    spec = {
        "width": 230,
        "height": {"step": 22},
        "data": {"values": values},
        "encoding": {"y": {**y, "axis": axis}},
        "layer": [
            {
                "data": {"values": [{"x": 0}]},
                "mark": {"type": "rule", "color": MUTED, "strokeDash": [2, 3]},
                "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"value": 0}, "y2": {"value": "height"}},
            },
            {
                "transform": [{"filter": "isNumber(datum.margin)"}, {"calculate": "-datum.margin", "as": "least"}],
                "mark": {"type": "tick", "color": MUTED, "thickness": 2, "size": 12},
                "encoding": {"x": {"field": "least", **x}},
            },
            {
                "mark": {"type": "rule", "strokeCap": "round"},
                "encoding": {
                    "x": {"field": "low", **x},
                    "x2": {"field": "high"},
                    "color": color,
                    "size": {"condition": {"test": "datum.name === at", "value": 4}, "value": 2},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {
                    "x": {"field": "value", **x},
                    "color": color,
                    "opacity": {"condition": clear, "value": 0.55},
                },
            },
        ],
    }
    label = f"{title}: " + "; ".join(tip for _, tip in tips)
    return make_chart(
        title,
        spec,
        label,
        columns=(column, "difference", "from", "to"),
        rows=[(row["name"], row["value"], row["low"], row["high"]) for row in rows],
        tips=tips,
    )
