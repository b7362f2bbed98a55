"""The memorisation check: it finds copies, and lets pass what only resembles."""

import numpy as np
import pytest

from lightloop.explanation.samples import CLOSE, doubts, great_circle, memorisation, nearest, tile


def cloud(seed: int, records: int = 500):
    return np.random.default_rng(seed).normal(size=(records, 6))


def test_the_nearest_is_that_of_a_loop():
    asked, trained = cloud(0, 30), cloud(1, 40)
    rows, distances = nearest(asked, trained)
    for point, row, distance in zip(asked, rows, distances, strict=True):
        expected = np.linalg.norm(trained - point, axis=1)
        assert row == expected.argmin()
        assert distance == pytest.approx(expected.min())


def test_samples_of_the_same_distribution_pass_and_copies_fail():
    trained = cloud(0, 2000)
    real, fresh = (nearest(cloud(seed, 3000), trained)[1] for seed in (1, 2))
    copies = nearest(trained[:500] + 0.01 * cloud(3), trained)[1]
    sound, copied = memorisation(fresh, real), memorisation(copies, real)
    assert sound["close_share"]["passed"]
    assert sound["close_share"]["value"] == pytest.approx(CLOSE, abs=0.02)
    assert sound["closer_than_real"]["value"] == pytest.approx(0.5, abs=0.03)
    assert doubts(sound) == []
    assert not copied["close_share"]["passed"]
    assert copied["close_share"]["value"] == 1.0
    assert copied["closer_than_real"]["value"] > 0.99
    assert "may be copies" in doubts(copied)[0]


def test_one_copy_in_four_is_found():
    trained = cloud(0, 2000)
    real = nearest(cloud(1), trained)[1]
    mixed = nearest(np.concatenate([cloud(2, 375), trained[:125]]), trained)[1]
    assert not memorisation(mixed, real)["close_share"]["passed"]


def test_the_chance_is_that_of_all_pairs():
    made, real = np.array([0.0, 1.0, 1.0, 3.0]), np.array([1.0, 2.0, 2.0])
    expected = np.mean([(a < b) + (a == b) / 2 for a in made for b in real])
    assert memorisation(made, real)["closer_than_real"]["value"] == pytest.approx(expected)


def test_the_way_keeps_the_length_of_noise():
    first, last = np.array([3.0, 0.0, 0.0]), np.array([0.0, 0.0, 3.0])
    way = great_circle(first, last, 7)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 3.0)
    np.testing.assert_allclose(way[[0, -1]], [first, last], atol=1e-12)
    np.testing.assert_allclose(great_circle(first, first, 3), [first] * 3)


def test_tiles_lie_in_their_places():
    images = np.arange(2 * 3).reshape(2, 3, 1, 1, 1).astype(np.uint8)
    assert tile(images).tolist() == [[[0, 1, 2], [3, 4, 5]]]
