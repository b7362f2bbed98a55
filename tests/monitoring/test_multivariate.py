"""Records as a whole."""

import numpy as np
import pytest

from lightloop.config.monitoring import MonitorConfig
from lightloop.monitoring.multivariate import look, told_apart

CONFIG = MonitorConfig()


def pairs(seed: int, count: int, correlation: float) -> np.ndarray:
    covariance = [[1, correlation], [correlation, 1]]
    return np.random.default_rng(seed).multivariate_normal([0, 0], covariance, count).astype(np.float32)


def test_columns_that_no_longer_go_together_are_seen() -> None:
    found = look(pairs(0, 400, -0.9), pairs(1, 400, 0.9), CONFIG)[0]
    assert found.alarm
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert found.value is not None
    assert found.value > 0.7


def test_the_same_kind_of_records_is_not_told_apart() -> None:
    area, p = told_apart(pairs(0, 400, 0.5), pairs(1, 400, 0.5))
    assert 0.42 < area < 0.58
    assert p > 0.01


def test_identical_and_constant_records_are_no_fault() -> None:
    assert told_apart(np.ones((40, 3), np.float32), np.ones((40, 3), np.float32)) == (0.5, 1.0)


@pytest.mark.parametrize(("count", "held"), [(0, 100), (10, 100), (100, 10)])
def test_too_few_records_say_nothing(count: int, held: int) -> None:
    assert not look(pairs(0, count, 0), pairs(1, held, 0), CONFIG)


def test_a_bundle_without_descriptions_says_nothing() -> None:
    assert not look(np.zeros((100, 0), np.float32), np.zeros((100, 0), np.float32), CONFIG)


@pytest.mark.slow
def test_p_values_are_not_too_small_where_nothing_has_changed() -> None:
    ps = np.array([told_apart(pairs(2 * seed, 60, 0.5), pairs(2 * seed + 1, 90, 0.5))[1] for seed in range(300)])
    for level in (0.2, 0.05):
        assert (ps <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / len(ps))
