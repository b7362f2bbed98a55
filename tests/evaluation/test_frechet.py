"""The Fréchet distance against SciPy and torchmetrics, the manifold against loops over all pairs."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance

from lightloop.evaluation.frechet import Moments, frechet, radii, squared_distances, symmetric_root, within


def features(seed: int, records: int = 60, size: int = 5, shift: float = 0.0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(records, size)) @ generator.normal(size=(size, size)) + shift


def by_scipy(first, second) -> float:
    covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = sqrtm(covariances[0] @ covariances[1])
    gap = first.mean(0) - second.mean(0)
    return float(gap @ gap + np.trace(covariances[0] + covariances[1] - 2 * root.real))


def distance(first, second, weights=None) -> np.ndarray:
    weights = np.ones((1, len(first)), dtype=np.int32) if weights is None else weights
    origin = first.mean(0)
    return frechet(Moments(first, origin).of(weights), Moments(second, origin).of(weights))


@pytest.mark.parametrize("shift", [0.0, 3.0, 1000.0])
def test_the_distance_is_scipys(shift):
    first, second = features(0), features(1, shift=shift)
    np.testing.assert_allclose(distance(first, second)[0], by_scipy(first, second), rtol=1e-8)


def test_the_distance_is_that_by_which_the_training_chooses():
    first, second = features(0), features(1, shift=0.5)
    metric = FrechetInceptionDistance(feature=torch.nn.Identity(), input_img_size=(5,))
    metric.update(torch.from_numpy(first), real=True)
    metric.update(torch.from_numpy(second), real=False)
    np.testing.assert_allclose(distance(first, second)[0], metric.compute().item(), rtol=1e-6)


def test_weights_are_repetitions():
    first, second = features(0), features(1)
    weights = np.random.default_rng(2).multinomial(60, np.full(60, 1 / 60), size=4).astype(np.int32)
    found = distance(first, second, weights)
    expected = [by_scipy(np.repeat(first, row, axis=0), np.repeat(second, row, axis=0)) for row in weights]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_alike_is_zero_and_order_does_not_matter():
    first, second = features(0), features(1)
    assert distance(first, first)[0] < 1e-9
    np.testing.assert_allclose(distance(first, second), distance(second, first), rtol=1e-9)


def test_fewer_images_than_features_have_a_distance():
    few = features(0, records=4, size=9)
    assert np.isfinite(distance(few, features(1, records=4, size=9))).all()


def test_root_times_itself_is_the_matrix():
    matrices = np.stack([np.cov(features(seed), rowvar=False) for seed in range(3)])
    roots = symmetric_root(matrices)
    np.testing.assert_allclose(roots @ roots, matrices, atol=1e-10)


def radius_by_loops(points, row: int, neighbours: int) -> float:
    others = [np.linalg.norm(points[row] - points[other]) for other in range(len(points)) if other != row]
    return sorted(others)[min(neighbours, len(others)) - 1]


@pytest.mark.parametrize(("records", "neighbours"), [(40, 3), (40, 1), (3, 3), (2, 3)])
def test_the_manifold_is_that_of_loops_over_all_pairs(records, neighbours):
    manifold, asked = features(0, records=records, size=2), features(3, records=30, size=2)
    expected_radii = [radius_by_loops(manifold, row, neighbours) for row in range(records)]
    np.testing.assert_allclose(np.sqrt(radii(manifold, neighbours)), expected_radii, rtol=1e-6)
    expected = [
        any(np.linalg.norm(point - manifold[row]) <= expected_radii[row] for row in range(records)) for point in asked
    ]
    assert within(asked, manifold, neighbours).tolist() == [float(value) for value in expected]


def test_distances_are_never_negative():
    points = features(0, shift=1e4)
    distances = squared_distances(points, points)
    assert distances.min() >= 0
    assert np.abs(np.diag(distances)).max() < 1e-4
