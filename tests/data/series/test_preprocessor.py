"""Preprocessing of series: against pandas, statsmodels and scikit-learn, there and back, and the same in ONNX."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy.signal import detrend
from series_world import config_with, small, wave, write
from sklearn.preprocessing import RobustScaler

from lightloop.config.series import SeriesPreprocess
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.series.gaps import fill
from lightloop.data.series.operators import operators
from lightloop.data.series.season import seasonal_profile
from lightloop.data.series.windows import read_windows
from lightloop.errors import RefusedError

NAN = float("nan")


def prepared(root, values, preprocess=None, **data):
    """A fitted preprocessor and the windows."""
    config = small(**data)
    raw = config.model_dump(mode="json")
    raw["preprocess"] = {"name": "series"} | (preprocess or {})
    config = config_with(**{group: raw[group] for group in ("data", "preprocess", "network")})
    splits = read_windows(config.data, write(root, values))
    preprocessor = build_preprocessor(config)
    preprocessor.fit(splits["train"])
    return preprocessor, splits


@pytest.mark.parametrize("method", ["linear", "forward"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 0.97])
def test_gaps_are_filled_as_pandas_fills_them(method, share):
    random = np.random.default_rng(3)
    values = random.normal(size=(200, 17)).astype(np.float32)
    values[random.random(values.shape) < share] = NAN
    rows = pd.DataFrame(values.astype(np.float64)).T
    expected = (rows.interpolate(limit_direction="both") if method == "linear" else rows.ffill().bfill()).fillna(0.0).T
    np.testing.assert_allclose(fill(torch.from_numpy(values), method).numpy(), expected.to_numpy(), atol=1e-6)


def test_one_step_is_filled_too():
    assert fill(torch.tensor([[NAN], [2.0]]), "linear").tolist() == [[0.0], [2.0]]


@pytest.mark.parametrize("span", [1, 3, 20])
def test_smoothing_is_that_of_pandas(span):
    x = np.random.default_rng(0).normal(size=12)
    for name, expected in (
        ("moving_average", pd.Series(x).rolling(span, min_periods=1).mean()),
        ("exponential", pd.Series(x).ewm(span=span).mean()),
    ):
        found = operators(SeriesPreprocess(name="series", smoothing=name, span=span), 12, 2)
        np.testing.assert_allclose(found.inner_TT @ x, expected)


def test_detrending_is_that_of_scipy_and_goes_on_as_polyfit_does():
    x = np.random.default_rng(1).normal(size=12).cumsum()
    found = operators(SeriesPreprocess(name="series", detrend="linear"), 12, 5)
    np.testing.assert_allclose(found.inner_TT @ x, detrend(x), atol=1e-9)
    np.testing.assert_allclose(found.ahead_HT @ x, np.polyval(np.polyfit(np.arange(12), x, 1), np.arange(12, 17)))


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("trend", ["none", "last_value", "linear"])
def test_the_right_outputs_restore_what_followed(order, trend):
    """Preparing a window with its future and restoring that future from it gives it back: no step loses anything."""
    x = np.random.default_rng(2).normal(size=15).cumsum() + 300
    settings = SeriesPreprocess(name="series", detrend=trend, difference=order)
    found = operators(settings, 12, 3)
    within = operators(SeriesPreprocess(name="series", detrend=trend), 12, 3)
    flat = np.concatenate([within.inner_TT @ x[:12], x[12:] - within.ahead_HT @ x[:12]])
    outputs = np.diff(flat, n=order)[-3:]
    np.testing.assert_allclose(found.ahead_HT @ x[:12] + found.outer_HH @ outputs, x[12:])
    np.testing.assert_allclose((found.inner_TT @ x[:12])[order:], np.diff(flat[:12], n=order), atol=1e-9)


@pytest.mark.parametrize("method", ["stl", "classical"])
def test_the_profile_is_the_season(method):
    season = np.array([3.0, -1.0, 0.5, -2.5])
    time = np.arange(100)
    values = 10 + 0.2 * time + season[time % 4]
    values[[5, 6, 50]] = NAN
    found = seasonal_profile(values, time % 4 / 4, 4, method)
    np.testing.assert_allclose(found, season - season.mean(), atol=0.15)
    assert found.mean() == pytest.approx(0, abs=1e-12)


def test_a_season_needs_two_of_them(tmp_path):
    with pytest.raises(RefusedError, match="has 8 steps, but a season of 4 is found in at least 9"):
        seasonal_profile(np.arange(8.0), np.arange(8) % 4 / 4, 4, "stl")
    with pytest.raises(RefusedError, match=r"a season of 52 is found in at least 105: say preprocess\.decompose=none"):
        prepared(tmp_path, wave(100), {"decompose": "stl"}, season=52)


@pytest.mark.parametrize("method", ["stl", "classical"])
def test_without_trend_and_season_nothing_is_left_to_predict(tmp_path, method):
    settings = {"decompose": method, "detrend": "linear", "missing": "seasonal"}
    preprocessor, splits = prepared(tmp_path, wave(160), settings)
    forecast = preprocessor.restore(torch.zeros(len(splits["test"]), 3), *preprocessor.encode(splits["test"]))
    np.testing.assert_allclose(forecast.numpy(), splits["test"].column("label").to_pylist(), atol=0.25)
    plain, _ = prepared(tmp_path, wave(160), {"detrend": "linear"})
    assert preprocessor.target_scale < plain.target_scale / 5


def test_seasonal_interpolation_knows_the_season(tmp_path):
    values = wave(160)
    holes = values.copy()
    holes[100:104] = NAN  # a whole season
    found = {}
    for missing in ("linear", "seasonal"):
        preprocessor, splits = prepared(tmp_path, holes, {"missing": missing, "scale": "none"})
        origins = [str(row) for row in splits["train"].column("id").to_pylist()]
        row = origins.index("2001-12-29")  # step 104
        (prepared_NTC,) = preprocessor(*preprocessor.encode(splits["train"]))
        found[missing] = np.abs(prepared_NTC[row, :, 0].numpy() - values[93:105]).max()
    assert found["seasonal"] < 0.3 < 0.8 < found["linear"]


@pytest.mark.parametrize("scale", ["standard", "min_max", "robust"])
def test_scaling_by_training_and_by_window(tmp_path, scale):
    values = wave(120, noise=0.2)
    preprocessor, splits = prepared(tmp_path, values, {"scale": scale})
    (x_NTC,) = preprocessor(*preprocessor.encode(splits["train"]))
    windows = np.array(splits["train"].column("series").to_pylist())
    if scale == "robust":
        scaler = RobustScaler().fit(windows.reshape(-1, 1))
        expected = (windows - scaler.center_[0]) / scaler.scale_[0]
    elif scale == "standard":
        expected = (windows - windows.mean()) / windows.std()
    else:
        expected = (windows - windows.min()) / np.ptp(windows)
    np.testing.assert_allclose(x_NTC[:, :, 0].numpy(), expected, atol=1e-4)

    preprocessor, _ = prepared(tmp_path, values, {"scale": scale, "scale_by": "window"})
    (x_NTC,) = preprocessor(*preprocessor.encode(splits["train"]))
    if scale == "robust":
        expected = RobustScaler().fit_transform(windows.T).T
    elif scale == "standard":
        expected = (windows - windows.mean(1, keepdims=True)) / windows.std(1, keepdims=True)
    else:
        expected = (windows - windows.min(1, keepdims=True)) / np.ptp(windows, axis=1, keepdims=True)
    np.testing.assert_allclose(x_NTC[:, :, 0].numpy(), expected, atol=2e-3)


def test_fitting_sees_the_training_steps_alone(tmp_path):
    values = wave(160, noise=0.1)
    settings = {"decompose": "stl", "detrend": "last_value"}
    first, _ = prepared(tmp_path / "a", values, settings)
    values[130:] *= 3
    second, _ = prepared(tmp_path / "b", values, settings)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_it_is_whole_after_saving(tmp_path):
    settings = {"decompose": "stl", "calendar": ["year", "month"], "indicator": True}
    preprocessor, splits = prepared(tmp_path, wave(200), settings)
    other = build_preprocessor(preprocessor.config)
    other.load_files(preprocessor.files())
    other.load_state_dict(preprocessor.state_dict())
    assert other.input == preprocessor.input
    assert other.inputs == preprocessor.inputs
    assert preprocessor.inputs.channels == 6
    encoded = preprocessor.encode(splits["test"])
    assert torch.equal(preprocessor(*encoded)[0], other(*other.encode(splits["test"]))[0])
    outputs = torch.randn(len(splits["test"]), 3)
    assert torch.equal(preprocessor.restore(outputs, *encoded), other.restore(outputs, *encoded))


def test_a_constant_series_and_one_of_gaps_stay_finite(tmp_path):
    for scale, by in itertools.product(("standard", "min_max", "robust"), ("training", "window")):
        preprocessor, splits = prepared(tmp_path, np.full(100, 7.0), {"scale": scale, "scale_by": by})
        encoded = preprocessor.encode(splits["test"])
        assert torch.isfinite(preprocessor(*encoded)[0]).all()
        gaps = torch.full_like(encoded[0], NAN)
        assert torch.isfinite(preprocessor.restore(torch.zeros(len(gaps), 3), gaps)).all()


def test_quantiles_are_restored_level_by_level(tmp_path):
    raw = small().model_dump(mode="json")
    config = config_with(
        data=raw["data"],
        preprocess={"name": "series", "detrend": "last_value", "difference": 1},
        loss={"name": "quantile", "levels": [0.1, 0.5, 0.9]},
    )
    splits = read_windows(config.data, write(tmp_path, wave(100)))
    preprocessor = build_preprocessor(config)
    preprocessor.fit(splits["train"])
    encoded = preprocessor.encode(splits["test"])
    outputs_BHQ = torch.randn(len(splits["test"]), 3, 3)
    together = preprocessor.restore(outputs_BHQ.flatten(1), *encoded).reshape(-1, 3, 3)
    preprocessor.levels = 1
    for level in range(3):
        alone = preprocessor.restore(outputs_BHQ[:, :, level].contiguous(), *encoded)
        torch.testing.assert_close(together[:, :, level], alone)


def test_levels_of_hundreds_keep_their_digits_in_bf16(tmp_path):
    preprocessor, splits = prepared(tmp_path, wave(120), {"detrend": "linear"})
    encoded = preprocessor.encode(splits["test"])
    zeros = torch.zeros(len(splits["test"]), 3)
    exact = preprocessor.restore(zeros, *encoded)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(preprocessor.restore(zeros, *encoded), exact)


def test_series_of_other_lengths_are_cut_or_count_as_missing(tmp_path):
    preprocessor, splits = prepared(tmp_path, wave(120))
    row = splits["test"].slice(0, 1)
    values = row.column("series")[0].as_py()
    longer, shorter = [1.0, 2.0, *values], [None, *values[4:]]
    table = pa.table({"series": pa.array([longer, shorter], pa.list_(pa.float64()))})
    encoded = preprocessor.input.encode(table, {})["series"][:, :, 0]
    np.testing.assert_allclose(encoded[0], values)
    np.testing.assert_allclose(encoded[1], [NAN] * 4 + values[4:])
    for wrong, words in (
        ([None, values], "record number 1 has no 'series'"),
        ([values, [np.inf]], "number 2 has an inf"),
    ):
        with pytest.raises(RefusedError, match=words):
            preprocessor.input.encode(pa.table({"series": pa.array(wrong, pa.list_(pa.float64()))}), {})
