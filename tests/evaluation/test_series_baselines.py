"""The simpler models for series: what they say, and that they know what they can know."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from series_world import config_with, small, wave, write

from lightloop.data.series.windows import read_windows
from lightloop.evaluation.baseline import baseline_answers, baseline_title
from lightloop.evaluation.baselines.series_classification import statistics
from lightloop.evaluation.baselines.series_forecasting import seasonal_naive

NAN = float("nan")


def forecast(root, values, **data):
    config = small(**data)
    splits = read_windows(config.data, write(root, values))
    labels = np.array(splits["test"].column("label").to_pylist())
    return baseline_answers(config, splits, splits["test"])["prediction"], labels, config


def test_a_line_with_a_season_is_forecast_without_error(tmp_path):
    for horizon in (1, 3, 9):
        found, labels, config = forecast(tmp_path / str(horizon), wave(160), horizon=horizon)
        np.testing.assert_allclose(found, labels, atol=1e-3)
        assert found.dtype == np.float32
    assert baseline_title(config.data) == "seasonal naive with drift"


def test_it_is_the_formula_of_the_textbook():
    random = np.random.default_rng(0)
    known, season, drift = random.normal(size=(5, 20)), 7, 0.3
    found = seasonal_naive(known, 16, season, drift)
    for record in range(5):
        for step in range(1, 17):
            seasons = int(np.ceil(step / season))
            assert found[record, step - 1] == known[record, 20 + step - 1 - seasons * season] + seasons * drift


def test_gaps_are_filled_by_lines():
    known = np.array([[1.0, NAN, 3.0, 4.0], [NAN, NAN, 2.0, NAN]])
    filled = pd.DataFrame(known.T).interpolate(limit_direction="both").to_numpy().T
    np.testing.assert_array_equal(seasonal_naive(known, 4, 4, 0.0), filled)


def test_a_window_shorter_than_the_season_leaves_value_and_drift(tmp_path):
    found, labels, _ = forecast(tmp_path, 5 + 0.1 * np.arange(160.0), season=52)
    np.testing.assert_allclose(found, labels, atol=1e-4)


def whole(problem, count=120):
    """Series that swing fast or slowly; the label is which, or how fast."""
    random = np.random.default_rng(0)
    speed = random.uniform(0.2, 1.5, count)
    rows = np.sin(speed[:, None] * np.arange(24) + random.uniform(0, 6, count)[:, None])
    rows[random.random(rows.shape) < 0.05] = NAN
    rows[0] = NAN
    lists = [row[: 24 - place % 5].astype(np.float32) for place, row in enumerate(rows)]
    label = speed.tolist() if problem == "regression" else np.where(speed > 0.85, "fast", "slow").tolist()
    table = pa.table({"id": [str(k) for k in range(count)], "series": pa.array(lists), "label": label})
    classes = {"classes": ["slow", "fast"]} if problem == "classification" else {}
    config = config_with(
        data={
            "problem": problem,
            "columns": {"series": "feature", "label": "target"},
            "window": 24,
            "season": 1,
            "split": {"policy": "random", "test": 0.2, "validation": 0.2},
            **classes,
        },
        preprocess={"name": "series"},
        task={"name": problem},
        loss={"name": "mse" if problem == "regression" else "cross_entropy"},
    )
    return config, {"train": table.slice(0, 80), "validation": table.slice(80, 10), "test": table.slice(90)}


def test_whole_series_are_told_apart():
    config, splits = whole("classification")
    found = baseline_answers(config, splits, splits["test"])["probabilities"]
    assert found.shape == (30, 2)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    labels = np.array([config.data.classes.index(label) for label in splits["test"]["label"].to_pylist()])
    assert (found.argmax(1) == labels).mean() > 0.85
    assert np.isfinite(statistics(splits["train"], config.data)).all()


def test_one_class_alone_is_always_answered():
    config, splits = whole("classification")
    slow = splits["train"].filter(pa.array([label == "slow" for label in splits["train"]["label"].to_pylist()]))
    found = baseline_answers(config, splits | {"train": slow}, splits["test"])["probabilities"]
    assert (found == [1.0, 0.0]).all()


def test_a_number_of_a_series_is_told():
    config, splits = whole("regression")
    found = baseline_answers(config, splits, splits["test"])["prediction"]
    labels = np.array(splits["test"]["label"].to_pylist())
    assert found.shape == (30, 1)
    assert np.square(found[:, 0] - labels).mean() < 0.3 * labels.var()
    again = baseline_answers(config, splits, splits["test"])["prediction"]
    assert found.tolist() == again.tolist()


@pytest.mark.parametrize("problem", ["classification", "regression"])
def test_titles(problem):
    assert "statistics of the series" in baseline_title(whole(problem)[0].data)
