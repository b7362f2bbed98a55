"""Configs of series: what does not fit together is said in one sentence."""

import pytest
from series_world import config_with, small

from lightloop.errors import UsageError

WHOLE = {
    "problem": "classification",
    "columns": {"series": "feature", "kind": "target"},
    "classes": ["a", "b"],
    "split": {"policy": "stratified", "test": 0.2, "validation": 0.2},
}


def whole(**data):
    parts = {"task": {"name": "classification"}, "loss": {"name": "cross_entropy"}}
    return config_with(data=WHOLE | data, preprocess={"name": "series"}, **parts)


def test_the_demo_and_the_small_ones_are_valid():
    assert config_with().data.horizon == 26
    assert small().data.known == "series"
    assert whole().data.known == "series"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"columns": {"value": "target"}}, "exactly one column the role time, but names none|gives no column the role"),
        (
            {"columns": {"a": "time", "b": "time", "value": "target"}},
            "exactly one column the role time, but names a, b",
        ),
        ({"columns": {"a": "time", "b": "feature", "value": "target"}}, "gives b the role feature, but a forecast is"),
        (
            {"split": {"policy": "random", "test": 0.2, "validation": 0.2}},
            "policy is random, but forecasts are divided",
        ),
        ({"validation_from": "2001-01-01", "test_from": "2000-01-01"}, "the validation must come before the test"),
        ({"window": 0}, "data.window is 0"),
        ({"horizon": "long"}, "data.horizon is 'long'"),
        ({"test_from": "soon"}, "data.test_from is 'soon'"),
    ],
)
def test_what_a_forecast_can_not_be(data, words):
    with pytest.raises(UsageError, match=words):
        small(**data)


@pytest.mark.parametrize(
    ("preprocess", "data", "words"),
    [
        ({"decompose": "stl"}, {"season": 1}, "takes out a season, but data.season is 1"),
        ({"missing": "seasonal"}, {"season": 1}, "takes out a season, but data.season is 1"),
        ({"difference": 2}, {"window": 2}, "difference=2 leaves nothing of data.window=2"),
        ({"difference": 3}, {}, "preprocess.difference is 3"),
        ({"missing": "magic"}, {}, "preprocess.missing is 'magic'"),
    ],
)
def test_preprocessing_that_does_not_fit(preprocess, data, words):
    with pytest.raises(UsageError, match=words):
        config_with(data=data, preprocess={"name": "series"} | preprocess)


def test_whole_series_have_no_time_stamps():
    for settings in ({"calendar": ["year"]}, {"missing": "seasonal"}, {"decompose": "stl"}):
        with pytest.raises(UsageError, match="need time stamps, which the whole series of data=co2 do not have"):
            config_with(
                data=WHOLE,
                preprocess={"name": "series"} | settings,
                task={"name": "classification"},
                loss={"name": "cross_entropy"},
            )
    with pytest.raises(UsageError, match="are for forecasting: leave them out where the problem is classification"):
        whole(resample="MS")
    with pytest.raises(UsageError, match="exactly one feature for series, but names none"):
        whole(columns={"kind": "target"})
