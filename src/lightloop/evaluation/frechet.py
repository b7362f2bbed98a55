"""Distances between two sets of images by their features, for many weightings of the images at once. NumPy alone.

A weighting of N images is a count for each, so all means and covariances of R of them come from two matrix products.

Shapes: N images, D features, R weightings, K neighbours.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.evaluation.metrics import Counts, Floats

# Of the manifold: arXiv:1904.06991, section 3.1.
NEIGHBOURS = 3


class Moments:
    """Means and covariances of features, as functions of the images' weights.

    Args:
        features_ND: of the images.
        origin_D: what is taken off first, so that sums of squares lose no digits; the same for sets that are compared.
    """

    def __init__(self, features_ND: Floats, origin_D: Floats) -> None:
        self.features_ND = features_ND.astype(np.float64) - origin_D
        upper = np.triu_indices(features_ND.shape[1])
        self.products_NM = self.features_ND[:, upper[0]] * self.features_ND[:, upper[1]]
        self.upper = upper

    def of(self, weights_RN: Counts) -> tuple[Floats, Floats]:
        """Mean (R, D) and covariance (R, D, D), the unbiased one, for each weighting."""
        weights = weights_RN.astype(np.float64)
        totals_R1 = weights.sum(1, keepdims=True)
        means_RD = weights @ self.features_ND / totals_R1
        features = means_RD.shape[1]
        second_RDD = np.empty((len(weights), features, features))
        second_RDD[:, self.upper[0], self.upper[1]] = weights @ self.products_NM
        second_RDD[:, self.upper[1], self.upper[0]] = second_RDD[:, self.upper[0], self.upper[1]]
        outer_RDD = means_RD[:, :, None] * means_RD[:, None, :] * totals_R1[:, :, None]
        return means_RD, (second_RDD - outer_RDD) / np.maximum(totals_R1 - 1, 1)[:, :, None]


def frechet(first: tuple[Floats, Floats], second: tuple[Floats, Floats]) -> Floats:
    """The squared Fréchet distance (R,) of two normal distributions, each a mean (R, D) and a covariance (R, D, D).

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), whose matrix is symmetric: its trace is the sum of the
    roots of its eigenvalues.

    Source: arXiv:1706.08500; Dowson & Landau 1982.

    Examples:
        >>> normal = np.zeros((1, 2)), np.eye(2)[None]
        >>> frechet(normal, (np.ones((1, 2)), 4 * np.eye(2)[None])).tolist()
        [4.0]
    """
    (mean_RD, covariance_RDD), (other_RD, other_RDD) = first, second
    root_RDD = symmetric_root(covariance_RDD)
    values_RD = np.linalg.eigvalsh(root_RDD @ other_RDD @ root_RDD)
    traces_R = np.trace(covariance_RDD, axis1=1, axis2=2) + np.trace(other_RDD, axis1=1, axis2=2)
    distance_R = np.square(mean_RD - other_RD).sum(1) + traces_R - 2 * np.sqrt(np.maximum(values_RD, 0)).sum(1)
    found: Floats = np.maximum(distance_R, 0)
    return found


def symmetric_root(matrices_RDD: Floats) -> Floats:
    """The square root (R, D, D) of each symmetric matrix without negative eigenvalues, by its eigenvectors."""
    values_RD, vectors_RDD = np.linalg.eigh(matrices_RDD)
    roots_RD = np.sqrt(np.maximum(values_RD, 0))
    found: Floats = (vectors_RDD * roots_RD[:, None, :]) @ vectors_RDD.transpose(0, 2, 1)
    return found


def squared_distances(first_ND: NDArray[Any], second_MD: NDArray[Any]) -> Floats:
    """Squared Euclidean distances (N, M); never below 0."""
    first, second = first_ND.astype(np.float64), second_MD.astype(np.float64)
    squares = np.square(first).sum(1)[:, None] + np.square(second).sum(1) - 2 * first @ second.T
    found: Floats = np.maximum(squares, 0)
    return found


def radii(features_ND: Floats, neighbours: int = NEIGHBOURS) -> Floats:
    """The squared distance (N,) of each image to its so many-th nearest other one, or to the farthest of fewer."""
    if len(features_ND) < 2:
        return np.zeros(len(features_ND))
    distances_NN = squared_distances(features_ND, features_ND)
    np.fill_diagonal(distances_NN, -1.0)  # itself comes first
    place = min(neighbours, len(features_ND) - 1)
    found: Floats = np.partition(distances_NN, place, axis=1)[:, place]
    return found


def within(features_ND: Floats, manifold_MD: Floats, neighbours: int = NEIGHBOURS) -> Floats:
    """Whether (N,) each image lies in the manifold of others, 0 or 1.

    The manifold is the union of balls around its images, each as large as the way to the image's third neighbour.

    Source: arXiv:1904.06991, equation 1.
    """
    near_NM = squared_distances(features_ND, manifold_MD) <= radii(manifold_MD, neighbours)
    return np.any(near_NM, axis=1).astype(np.float64)
