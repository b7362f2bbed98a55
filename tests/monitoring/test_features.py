"""Drift of single features, against independent implementations and by its properties."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from lightloop.config.monitoring import MonitorConfig
from lightloop.monitoring.features import category_drift, look, number_drift
from lightloop.release.profile import POINTS, VALUES, column_of
from lightloop.serving.profile import Column, Profile

CONFIG = MonitorConfig()


def drawn(seed: int, count: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, count)


def categories(values: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


@pytest.mark.parametrize("count", [40, 200])
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_with_all_values_known_it_is_the_test_of_two_samples(count: int, decimals: int) -> None:
    then, now = drawn(0, 250).round(decimals), drawn(1, count, 0.3).round(decimals)
    drift = number_drift(now, column_of("x", then))
    wanted = stats.ks_2samp(now, then, method="asymp")
    # Where the training records have no value, the greatest difference may lie between two points.
    assert drift["moved"] <= wanted.statistic + 1e-12
    assert drift["moved"] >= wanted.statistic - 1 / 250 - 1e-12 if decimals == 9 else True
    assert drift["p"] == pytest.approx(stats.kstwo.sf(drift["moved"], round(count * 250 / (count + 250))))


def test_few_different_values_are_all_points_and_the_statistic_is_exact() -> None:
    then, now = np.repeat([1.0, 2, 3], [50, 30, 20]), np.repeat([1.0, 2, 3], [10, 20, 30])
    drift = number_drift(now, column_of("x", then))
    assert drift["moved"] == pytest.approx(stats.ks_2samp(now, then).statistic)


def test_quantiles_lose_no_more_than_one_part_in_so_many() -> None:
    then, now = drawn(0, 20_000), drawn(1, 5_000, 0.1)
    column = column_of("x", then)
    assert len(column.points) <= POINTS
    drift = number_drift(now, column)
    assert 0 <= stats.ks_2samp(now, then).statistic - drift["moved"] <= 1.5 / POINTS


def test_distance_is_that_of_wasserstein_in_standard_deviations() -> None:
    then, now = drawn(0, 20_000) * 3, drawn(1, 5_000) * 3 + 2
    drift = number_drift(now, column_of("x", then))
    assert drift["wasserstein"] == pytest.approx(stats.wasserstein_distance(now, then) / then.std(), rel=0.05)


def test_indices_of_stability_and_of_jensen_and_shannon_are_those_of_deciles() -> None:
    then, now = drawn(0, 20_000), drawn(1, 5_000, 0.5)
    edges = np.concatenate([[-np.inf], np.quantile(then, np.arange(1, 10) / 10), [np.inf]])
    a, b = (np.histogram(x, edges)[0] / len(x) for x in (now, then))
    drift = number_drift(now, column_of("x", then))
    assert drift["psi"] == pytest.approx(((a - b) * np.log(a / b)).sum(), rel=0.05)
    assert drift["jensen_shannon"] == pytest.approx(jensenshannon(a, b, base=2), rel=0.05)


def test_values_below_all_that_were_seen_have_moved() -> None:
    column = column_of("x", np.full(100, 5.0))
    assert number_drift(np.full(50, 4.0), column)["moved"] == 1.0
    assert number_drift(np.full(50, 6.0), column)["moved"] == 1.0
    assert number_drift(np.full(50, 5.0), column) == {
        "moved": 0.0, "p": 1.0, "psi": 0.0, "jensen_shannon": 0.0, "wasserstein": 0.0, "mean": 5.0, "mean_before": 5.0
    }  # fmt: skip


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_whatever_the_numbers_a_drift_has_its_bounds(then: list[float], now: list[float]) -> None:
    drift = number_drift(np.array(now), column_of("x", np.array(then)))
    assert 0 <= drift["moved"] <= 1 + 1e-12
    assert 0 <= drift["p"] <= 1
    assert drift["psi"] >= 0
    assert 0 <= drift["jensen_shannon"] <= 1 + 1e-9
    same = number_drift(np.array(then), column_of("x", np.array(then)))
    assert same["moved"] == pytest.approx(0)
    assert same["p"] == pytest.approx(1)


def test_categories_are_held_against_each_other_by_chi_square() -> None:
    then, now = categories(["a"] * 500 + ["b"] * 300 + ["c"] * 200), categories(["a"] * 80 + ["b"] * 60 + ["c"] * 60)
    drift = category_drift(now, column_of("x", then))
    assert drift["p"] == pytest.approx(stats.chi2_contingency([[500, 300, 200], [80, 60, 60]]).pvalue)
    assert drift["moved"] == pytest.approx(0.1)


def test_unseen_categories_are_one_more() -> None:
    drift = category_drift(categories(["new"] * 20 + ["a"] * 20), column_of("x", categories(["a"] * 40)))
    assert drift["moved"] == 0.5
    assert drift["p"] < 1e-5


def test_rare_categories_of_the_training_records_are_together() -> None:
    column = column_of("x", categories([f"value {place}" for place in range(VALUES + 30)] + ["often"] * 70))
    assert len(column.values) == VALUES
    assert column.other == 31
    assert next(iter(column.values)) == "often"
    assert sum(column.values.values()) + column.other == column.n


def test_a_column_keeps_counts_and_gaps() -> None:
    column = column_of("x", np.array([np.nan, 3.0, 1.0, 3.0]))
    assert (column.n, column.missing, column.known, column.points, column.counts) == (4, 1, 3, (1.0, 3.0), (1, 3))
    empty = column_of("x", np.full(3, np.nan))
    assert (empty.points, empty.counts, empty.mean, empty.std) == ((), (), 0.0, 0.0)


def profile(**columns: np.ndarray | pa.ChunkedArray) -> Profile:
    return Profile(n=1, features=tuple(column_of(name, values) for name, values in columns.items()))


def test_a_finding_a_feature_and_an_alarm_where_the_difference_is_large() -> None:
    reference = profile(same=drawn(0, 1000), other=drawn(1, 1000), few=drawn(2, 1000), gone=drawn(3, 1000))
    window = {"same": drawn(4, 500), "other": drawn(5, 500, 1.0), "few": np.full(500, np.nan)}
    found = {one.name: one for one in look(window, reference, CONFIG)}
    assert found.keys() == {"same", "other"}
    assert found["other"].alarm
    assert found["other"].p_value is not None
    assert found["other"].p_value < 1e-9
    assert found["other"].figures["psi"] > 0.5
    assert "42.4 % of the records" in found["other"].sentence


def test_of_a_million_records_a_small_difference_is_sure_and_no_alarm() -> None:
    column = Column(name="x", kind="category", n=1_000_000, values={"a": 500_000, "b": 500_000})
    found = look({"x": categories(["a"] * 51_000 + ["b"] * 49_000)}, Profile(n=1, features=(column,)), CONFIG)
    assert found[0].p_value is not None
    assert found[0].p_value < 1e-6
    assert not found[0].alarm


@pytest.mark.parametrize("count", [0, 1, 10])
def test_few_records_say_nothing(count: int) -> None:
    assert not look({"x": drawn(0, count)}, profile(x=drawn(1, 100)), CONFIG)


@pytest.mark.slow
def test_p_values_are_not_too_small_where_nothing_has_changed() -> None:
    numbers, texts = [], []
    for seed in range(2000):
        then, now = drawn(2 * seed, 400).round(1), drawn(2 * seed + 1, 90).round(1)
        numbers.append(number_drift(now, column_of("x", then))["p"])
        generator = np.random.default_rng(seed)
        one, two = (
            categories(generator.choice(list("abcdefg"), size, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.03, 0.02]).tolist())
            for size in (400, 90)
        )
        texts.append(category_drift(two, column_of("x", one))["p"])
    for found in (numbers, texts):
        for level in (0.2, 0.05, 0.01):
            share = float((np.array(found) <= level).mean())
            assert share <= level + 3 * np.sqrt(level * (1 - level) / len(found))
