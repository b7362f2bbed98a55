"""Deletion and insertion: does the prediction hang on the pixels that an attribution ranks first?

Pixels are replaced by the baseline, most important first (deletion: the probability should fall at once), or put
into the baseline (insertion: it should rise at once). Source: RISE, arXiv:1806.07421.

Shapes: N records, F fractions, C channels, H height, W width, P = H * W pixels.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

POINTS = 21  # of each curve, from nothing to every pixel
CONFIDENCE = 0.95
RESAMPLES = 2000
_ROWS = 252  # of one forward pass: whole curves of a dozen records


def fractions() -> NDArray[np.float64]:
    """The shares of pixels at which curves are taken, (F,)."""
    return np.linspace(0, 1, POINTS)


def pixel_ranks(maps_NHW: Tensor, seed: int) -> Tensor:
    """The place of each pixel, most important first: (N, H, W), int64, 0 to P - 1.

    Equal values are put in random order. Row order would delete the empty upper border first and flatter or damn a
    method by where its ties lie.

    Examples:
        >>> pixel_ranks(torch.tensor([[[0.1, 0.7], [0.3, 0.2]]]), seed=0).tolist()
        [[[3, 0], [1, 2]]]
    """
    flat_NP = maps_NHW.flatten(1)
    shuffled_P = torch.randperm(flat_NP.shape[1], generator=torch.Generator().manual_seed(seed))
    order_NP = shuffled_P[flat_NP[:, shuffled_P].argsort(dim=1, descending=True, stable=True)]
    return order_NP.argsort(dim=1).view(maps_NHW.shape)


def random_maps(records: int, size: tuple[int, int], grid: tuple[int, int], seed: int) -> Tensor:
    """Importance drawn at random on a grid and scaled up to (N, H, W): what a method as coarse as the grid must beat.

    The peer has to be as coarse as the method. Replacing scattered pixels wrecks a picture far sooner than replacing as
    many in blocks, whichever they are: a random order of blocks "beats" a random order of pixels at insertion.
    """
    drawn_N1hw = torch.rand((records, 1, *grid), generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(drawn_N1hw, size, mode="bilinear")[:, 0] if grid != size else drawn_N1hw[:, 0]


@torch.no_grad()
def curve(
    network: nn.Module,
    x_NCHW: Tensor,
    targets_N: Tensor,
    maps_NHW: Tensor,
    baseline_CHW: Tensor,
    *,
    insertion: bool,
    seed: int,
) -> NDArray[np.float64]:
    """Probability of the predicted class as pixels are deleted, or inserted: (N, F).

    Args:
        network: frozen, in evaluation mode.
        x_NCHW: preprocessed records.
        targets_N: predicted class of each.
        maps_NHW: attributions; only their order counts.
        baseline_CHW: what stands where a pixel is deleted or not yet inserted.
        insertion: whether to insert instead of to delete.
        seed: of the order among equal attributions.
    """
    pixels = maps_NHW[0].numel()
    taken_F = torch.from_numpy(np.round(fractions() * pixels))
    ranks_NHW = pixel_ranks(maps_NHW, seed)
    chunk = max(1, _ROWS // POINTS)
    parts = []
    for x, targets, ranks in zip(x_NCHW.split(chunk), targets_N.split(chunk), ranks_NHW.split(chunk), strict=True):
        reached = ranks[:, None, None] < taken_F[None, :, None, None, None]
        rows = torch.where(reached == insertion, x[:, None], baseline_CHW)
        probabilities = network(rows.flatten(0, 1)).softmax(1).view(len(x), POINTS, -1)
        parts.append(probabilities.gather(2, targets[:, None, None].expand(-1, POINTS, 1))[..., 0])
    return torch.cat(parts).double().numpy()


def area(curve_NF: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under each record's curve, (N,), by the trapezoid rule.

    Examples:
        >>> area(np.linspace(1, 0, POINTS)[None]).round(6).tolist()
        [0.5]
    """
    return np.asarray(np.trapezoid(curve_NF, fractions(), axis=1))


def mean_interval(values_N: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, at 95 %.

    Examples:
        >>> mean_interval(np.ones(5), seed=0)
        (1.0, 1.0)
    """
    rows = np.random.default_rng(seed).integers(len(values_N), size=(RESAMPLES, len(values_N)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values_N[rows].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def area_check(
    curve_NF: NDArray[np.float64], random_NF: NDArray[np.float64], *, insertion: bool, seed: int
) -> dict[str, Any]:
    """Whether a method's order beats random order: the interval of the paired difference leaves out 0.

    Returns:
        `value` (mean area under the curve) with `low` and `high`, `random` (the same of random order), `passed`.
    """
    own_N, random_N = area(curve_NF), area(random_NF)
    low, high = mean_interval(own_N, seed)
    gain_N = own_N - random_N if insertion else random_N - own_N
    return {
        "value": float(own_N.mean()),
        "low": low,
        "high": high,
        "random": float(random_N.mean()),
        # A single record has an interval without width: it proves nothing.
        "passed": bool(len(gain_N) > 1 and mean_interval(gain_N, seed)[0] > 0),
    }
