"""Columns then and now, against histograms of the raw values."""

import numpy as np
import pyarrow as pa
import pytest

from lightloop.monitoring.distributions import BINS, CATEGORIES, OTHER, of_categories, of_numbers
from lightloop.release.profile import column_of
from lightloop.serving.profile import Column


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_binned_as_a_histogram_of_the_raw_values_would(seed: int):
    random = np.random.default_rng(seed)
    then, now = random.lognormal(size=5000), random.lognormal(0.4, size=800)
    found = of_numbers(np.concatenate([now, [np.nan, np.inf]]), column_of("x", then), "input")
    assert found is not None
    assert len(found.then) == len(found.now) == len(found.edges) - 1 == BINS
    inner = [-np.inf, *found.edges[1:-1], np.inf]
    assert np.allclose(found.now, np.histogram(now, inner)[0] / 800)
    # The profile knows quantiles alone: one part in 256.
    assert np.allclose(found.then, np.histogram(then, inner)[0] / 5000, atol=2 / 256)
    assert (sum(found.then), sum(found.now)) == (pytest.approx(1), pytest.approx(1))
    assert (found.n_then, found.n_now) == (5000, 800)


def test_counts_have_a_bin_each():
    found = of_numbers(np.array([0.0, 0.0, 2.0, 7.0]), column_of("x", np.array([0.0, 1.0, 1.0, 2.0])), "input")
    assert found is not None
    assert found.edges == [-0.5, 0.5, 1.5, 2.5]
    assert found.then == [0.25, 0.5, 0.25]
    assert found.now == [0.5, 0.0, 0.5], "what lies beyond is in the outer bin"


def test_a_constant_column_is_one_bin():
    found = of_numbers(np.array([3.0, 4.0]), column_of("x", np.full(10, 3.0)), "input")
    assert found is not None
    assert (found.then, found.now) == ([1.0], [1.0])


def test_rare_and_unseen_categories_are_together():
    names = [f"c{number}" for number in range(CATEGORIES + 3)]
    values = {name: 100 - place for place, name in enumerate(names)}
    column = Column(name="x", kind="category", n=sum(values.values()) + 5, values=values, other=5)
    found = of_categories(pa.chunked_array([["c0", "c0", "new", "c14", None]]), column, "input")
    assert found is not None
    assert found.values == [*names[:CATEGORIES], OTHER]
    assert found.now[0] == 0.5
    assert found.now[-1] == 0.5
    assert found.then[-1] == pytest.approx((88 + 87 + 86 + 5) / column.n)


def test_without_a_known_value_there_is_nothing_to_draw():
    assert of_numbers(np.array([np.nan]), column_of("x", np.arange(3.0)), "input") is None
    column = Column(name="x", kind="category", n=1, values={"a": 1})
    assert of_categories(pa.chunked_array([pa.array([None], pa.string())]), column, "input") is None
