"""What the report says of predicted numbers."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from series_world import config_with, small

from lightloop.evaluation.evidence import lists
from lightloop.report.numbers import against_truth, by_step, interval_sentence, moments, numbers, over_time

QUANTILES = {"name": "quantile", "levels": [0.1, 0.5, 0.9]}


def estimate(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def forecast(coverage=None, count=500, steps=3):
    raw = small(horizon=steps).model_dump(mode="json")
    config = config_with(data=raw["data"], **({"loss": QUANTILES} if coverage else {}))
    labels = np.arange(count)[:, None] + np.arange(steps) + 300.0
    ids = (np.datetime64("2000-01-01") + 7 * np.arange(count)).astype(str)
    predictions = pa.table({"id": ids, "label": lists(labels), "prediction": lists(labels + 0.5)})
    row = lambda step: {"step": step, "model": {"rmse": estimate(0.1 * step)}, "baseline": {"rmse": estimate(0.3)}}  # noqa: E731
    metrics = {"rmse": estimate(0.2)}
    if coverage:
        metrics |= {"coverage": estimate(coverage), "width": estimate(1.25)}
    return SimpleNamespace(
        config=config,
        predictions=predictions,
        horizons=[row(step) for step in range(1, steps + 1)],
        metrics={"metrics": metrics},
    )


def regression():
    config = config_with(
        data={
            "problem": "regression",
            "columns": {"series": "feature", "y": "target"},
            "season": 1,
            "split": {"policy": "random", "test": 0.2, "validation": 0.2},
        },
        preprocess={"name": "series"},
    )
    y = np.random.default_rng(0).normal(size=2000)
    table = pa.table({"id": [str(k) for k in range(2000)], "label": y, "prediction": lists(y[:, None] * 0.9)})
    return SimpleNamespace(config=config, predictions=table, horizons=[], metrics={"metrics": {}})


def test_errors_by_step_ahead():
    chart = by_step(forecast())
    assert chart.rows == ((1, pytest.approx(0.1), 0.3), (2, pytest.approx(0.2), 0.3), (3, pytest.approx(0.3), 0.3))
    assert [series.style for series in chart.series] == ["model", "peer"]
    assert "<svg" in chart.svg
    assert by_step(forecast(steps=1)) is None


def test_forecasts_and_what_came_in_years():
    chart = over_time(forecast())
    assert chart.title == "Forecast 3 steps ahead"
    assert chart.columns[0] == "origin of the forecast"
    assert len(chart.rows) == 400
    first, last = chart.rows[0], chart.rows[-1]
    assert first == (2000.0, 302.0, 302.5)
    assert last[1:] == (801.0, 801.5)
    assert last[0] == pytest.approx(2000 + 7 * 499 / 365.25, abs=0.01)
    assert over_time(forecast(steps=1)).title == "Forecast of the next step"


def test_time_stamps_with_hours():
    years, _ = moments(["2001-01-01T00:00:00", "2001-07-02T12:00:00"])
    assert years.tolist() == [2001.0, 2001.5]


def test_answers_against_truth():
    chart = against_truth(regression())
    assert len(chart.rows) == 11
    assert all(answer == pytest.approx(0.9 * truth, abs=1e-5) for truth, answer in chart.rows)
    assert [row[0] for row in chart.rows] == sorted(row[0] for row in chart.rows)
    assert "correlation 1.000" in chart.svg
    assert chart.svg.count("<path") > 900


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        (0.805, "80 % of the targets lie between the 0.1 and 0.9 quantiles, as they should 80 %"),
        (
            0.5,
            "50 % of the targets lie between the 0.1 and 0.9 quantiles, and should be 80 %; the interval is 1.250 wide",
        ),
    ],
)
def test_what_the_interval_held(coverage, words):
    assert words in interval_sentence(forecast(coverage))


def test_each_problem_has_its_charts():
    assert len(numbers(forecast())["charts"]) == 2
    assert numbers(forecast())["interval"] is None
    assert [chart.title for chart in numbers(regression())["charts"]] == ["Answers against truth"]
    classes = SimpleNamespace(config=SimpleNamespace(data=SimpleNamespace(problem="classification")))
    assert numbers(classes) is None
