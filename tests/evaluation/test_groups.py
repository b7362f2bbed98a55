"""Groups of records by the values of a column."""

import numpy as np
import pytest

from lightloop.data.grouping import MISSING, MOST
from lightloop.evaluation.groups import groups_of


def test_groups_are_named_by_their_values_the_largest_first():
    groups = groups_of(["b", "a", "b", None, "b", "a", "c"], smallest=2)
    assert groups.names == ("b", "a")
    assert [rows.tolist().count(True) for rows in groups.rows] == [3, 2]
    assert groups.left_out == 2


def test_missing_is_a_group_and_whole_numbers_are_named_without_decimals():
    groups = groups_of([1.0, float("nan"), 0.0, None, 1.0], smallest=1)
    assert groups.names == ("1", MISSING, "0")


def test_numbers_of_many_values_are_divided_at_their_quartiles_or_at_the_edges_given():
    ages = list(range(20, 80))
    quartiles = groups_of(ages, smallest=1)
    assert [int(rows.sum()) for rows in quartiles.rows] == [15] * 4
    halves = groups_of([*ages, None], smallest=5, edges=(50,))
    assert sorted(halves.names) == ["below 50", "from 50"]
    below = halves.rows[halves.names.index("below 50")]
    assert np.flatnonzero(below).tolist() == list(range(30))
    assert halves.left_out == 1


def test_of_many_groups_the_largest_are_kept():
    values = [f"v{number}" for number in range(MOST + 5) for _ in range(number + 1)]
    groups = groups_of(values, smallest=1)
    assert len(groups.names) == MOST
    assert groups.names[0] == f"v{MOST + 4}"
    assert groups.left_out == pytest.approx(sum(range(1, 6)))
