"""How the report shows predicted numbers: errors by step and forecasts against what came, or answers against truth.

Shapes: N records, H numbers of an answer, Q quantiles.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.config.losses import Quantile
from lightloop.evaluation.evidence import matrix
from lightloop.evaluation.numbers import labels_of
from lightloop.report.charts import Chart, lines
from lightloop.report.evidence import Evidence
from lightloop.report.figures import figure, percent
from lightloop.report.scatter import scatter

Floats = NDArray[np.float64]

POINTS = 1000  # of a scatter: more are a blot
STEPS = 400  # of a line over time: more than there are pixels


def numbers(evidence: Evidence) -> dict[str, Any] | None:
    """Charts of predicted numbers, and what their intervals held; None where something else is predicted.

    Returns:
        `charts`, and `interval`: a sentence on the quantiles, or None where there are none.
    """
    problem = evidence.config.data.problem
    if problem not in ("regression", "forecasting"):
        return None
    charts = [by_step(evidence), over_time(evidence)] if problem == "forecasting" else [against_truth(evidence)]
    return {"charts": [chart for chart in charts if chart], "interval": interval_sentence(evidence)}


def by_step(evidence: Evidence) -> Chart | None:
    """The error of model and baseline by the number of steps ahead; None for one step."""
    rows = evidence.horizons
    if len(rows) < 2:
        return None
    points = {who: [(row["step"], row[who]["rmse"]["value"]) for row in rows] for who in ("model", "baseline")}
    return lines("RMSE by step ahead", points, x="steps ahead", y="RMSE", styles=("model", "peer"))


def over_time(evidence: Evidence) -> Chart:
    """What came, and what was forecast for it as many steps before as are forecast."""
    table = evidence.predictions
    labels_NH, answers_NH = labels_of(table), matrix(table, "prediction")
    ids = table.column("id").to_pylist()
    place_N, title = moments(ids)
    rows = _thinned(len(ids))
    ahead = labels_NH.shape[1]
    points = {
        "what came": [(float(place_N[row]), float(labels_NH[row, -1])) for row in rows],
        "forecast": [(float(place_N[row]), float(answers_NH[row, -1])) for row in rows],
    }
    name = f"Forecast {ahead} steps ahead" if ahead > 1 else "Forecast of the next step"
    return lines(name, points, x=title, y=evidence.config.data.target, styles=("peer", "model"), width=560)


def moments(ids: Sequence[str]) -> tuple[Floats, str]:
    """Time stamps as years and their share, for a horizontal axis, and its title; else the records' numbers.

    Examples:
        >>> moments(["2000-01-01", "2000-07-02"])[0].round(2).tolist()
        [2000.0, 2000.5]
        >>> moments(["test/0", "test/1"])
        (array([0., 1.]), 'record')
    """
    try:
        stamps = [datetime.fromisoformat(name) for name in ids]
    except ValueError:
        return np.arange(len(ids), dtype=np.float64), "record"
    starts = [datetime(stamp.year, 1, 1, tzinfo=stamp.tzinfo) for stamp in stamps]
    ends = [datetime(stamp.year + 1, 1, 1, tzinfo=stamp.tzinfo) for stamp in stamps]
    years = [stamp.year + (stamp - a) / (b - a) for stamp, a, b in zip(stamps, starts, ends, strict=True)]
    return np.array(years), "origin of the forecast"


def against_truth(evidence: Evidence) -> Chart:
    """Each record's answer over its true number, beside the line on which both are the same."""
    table = evidence.predictions
    y_N, p_N = labels_of(table)[:, 0], matrix(table, "prediction")[:, 0]
    rows = _thinned(len(y_N), POINTS)
    low, high = float(min(y_N.min(), p_N.min())), float(max(y_N.max(), p_N.max()))
    target = evidence.config.data.target
    correlation = float(np.corrcoef(y_N, p_N)[0, 1]) if len(y_N) > 1 and y_N.std() and p_N.std() else None
    label = f"Answers over true values of {len(y_N)} records; correlation {figure(correlation)}"
    quantiles = np.linspace(0, len(y_N) - 1, min(11, len(y_N))).round().astype(int)
    order = np.argsort(y_N, kind="stable")[quantiles]
    ids = table.column("id").to_pylist()
    return scatter(
        "Answers against truth",
        [(float(y_N[row]), float(p_N[row]), ids[row]) for row in rows],
        label,
        x=f"{target}, true",
        y=f"{target}, answered",
        columns=("true", "answered"),
        rows=[(float(y_N[row]), float(p_N[row])) for row in order],
        diagonal=(low, high),
        size=(300, 300),
    )


def interval_sentence(evidence: Evidence) -> str | None:
    """What the interval between the outermost quantiles held, and what it should have."""
    loss, found = evidence.config.loss, evidence.metrics["metrics"].get("coverage")
    if not isinstance(loss, Quantile) or not found or found["value"] is None:
        return None
    wanted = loss.levels[-1] - loss.levels[0]
    width = evidence.metrics["metrics"]["width"]["value"]
    said = (
        f"{percent(found['value'])} of the targets lie between the {loss.levels[0]:g} and {loss.levels[-1]:g} quantiles"
    )
    verdict = "as they should" if found["low"] <= wanted <= found["high"] else "and should be"
    return f"{said}, {verdict} {percent(wanted)}; the interval is {figure(width)} wide on average."


def _thinned(count: int, most: int = STEPS) -> list[int]:
    """Places of at most so many records, equally spaced, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
