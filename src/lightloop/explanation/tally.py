"""Attributions of records drawn at random, told by name: shares, sizes, and intervals of many means at once.

Shapes: N records, Q columns, steps, cells or tokens; H height and W width of images, h and w of a coarse grid,
R resamples.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lightloop.explanation.curves import CONFIDENCE, RESAMPLES
from lightloop.explanation.evidence import columns_of, over_channels
from lightloop.explanation.population import Population
from lightloop.explanation.subject import BLOCKS

Floats = NDArray[np.float64]
FEWEST_RECORDS = 5  # tokens in fewer are not told of
DIGITS = 5  # significant ones


def cell_shares(maps_NHW: torch.Tensor) -> Floats:
    """The share (N, h, w) of the sizes of each image's attributions that lies in each cell of a coarse grid.

    An image that nothing is attributed to has shares of 0.

    Examples:
        >>> cell_shares(torch.ones(1, 14, 14)).sum().round(6).item(), cell_shares(torch.ones(1, 14, 14)).shape
        (1.0, (1, 7, 7))
    """
    height, width = (min(BLOCKS, length) for length in maps_NHW.shape[1:])
    cells_NHW = nn.functional.adaptive_avg_pool2d(maps_NHW.double().abs(), (height, width))
    return shares(cells_NHW.numpy().reshape(len(maps_NHW), -1)).reshape(-1, height, width)


def shares(sizes_NQ: Floats) -> Floats:
    """Rows divided by their sums; a row of zeros stays."""
    sums_N1 = sizes_NQ.sum(1, keepdims=True)
    return np.asarray(np.divide(sizes_NQ, sums_N1, out=np.zeros_like(sizes_NQ), where=sums_N1 > 0))


def names_of(population: Population) -> list[str]:
    """Names of columns, or of steps, the last one being 0."""
    subject = population.subject
    if subject.noun == "columns":
        return columns_of(population.model, subject)
    return [str(step) for step in range(1 - subject.x_NDP.shape[-1], 1)]


def sizes_by_name(population: Population) -> dict[str, float]:
    """The mean size of the attributions of each column, step or token that is told of; nothing of pixels."""
    if population.subject.noun == "tokens":
        return {name: float(np.abs(found).mean()) for name, found in tokens_of(population).items()}
    if population.subject.noun == "pixels":
        return {}
    sizes_Q = over_channels(population.maps_NQ, population.subject).double().abs().mean(0)
    return dict(zip(names_of(population), sizes_Q.tolist(), strict=True))


def tokens_of(population: Population) -> dict[str, Floats]:
    """By token its attributions in each record that has it, summed over its places; of those in enough records."""
    subject, found = population.subject, dict[str, list[float]]()
    (ids_NT,) = population.model.preprocessor.encode(population.records)
    spell = getattr(population.model.preprocessor, "tokens", lambda ids: [str(one) for one in ids])
    for ids_T, map_T, length in zip(ids_NT, population.maps_NQ, subject.present_NQ.sum(1).tolist(), strict=True):
        sums: dict[int, float] = {}
        for one, value in zip(ids_T[:length].tolist(), map_T[:length].tolist(), strict=True):
            sums[one] = sums.get(one, 0.0) + value
        for name, value in zip(spell(list(sums)), sums.values(), strict=True):
            found.setdefault(name, []).append(value)
    return {name: np.array(found[name]) for name in sorted(found) if len(found[name]) >= FEWEST_RECORDS}


def mean_intervals(values_NQ: Floats, seed: int) -> tuple[Floats, Floats]:
    """Percentile bootstrap intervals of the means of many columns, at 95 %: `low` and `high`, (Q,) each.

    Examples:
        >>> low, high = mean_intervals(np.ones((5, 2)), seed=0)
        >>> low.round(6).tolist(), high.round(6).tolist()
        ([1.0, 1.0], [1.0, 1.0])
    """
    count = len(values_NQ)
    weights_RN = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count
    tail = (1 - CONFIDENCE) / 2
    low_Q, high_Q = np.quantile(weights_RN @ values_NQ, [tail, 1 - tail], axis=0)
    return low_Q, high_Q


def rounded(value: float) -> float:
    """As the files have it."""
    return float(f"{value:.{DIGITS}g}")
