"""Infidelity: do attributions say by how much the score falls when parts of a record are removed?

Shapes: N records, K removals of each, Q positions, channels of positions or columns, U units of them.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightloop.explanation.subject import Subject

REMOVALS = 32
REMOVED = 0.2  # the share of units, on average
SHUFFLES = 5  # averaged for each record, so that luck weighs little


@dataclass(frozen=True)
class Removals:
    """What was removed of each record, and what followed. All methods are checked on the same.

    Attributes:
        units_Q: the unit of each position, int64.
        present_NU: which units belong to the record; those that do not come last.
        removed_NKU: which units the baseline took the place of, bool.
        fall_NK: by how much the raw score fell, float64.
    """

    units_Q: Tensor
    present_NU: Tensor
    removed_NKU: Tensor
    fall_NK: Tensor

    def infidelity(self, maps_NQ: Tensor) -> NDArray[np.float64]:
        """The share of the falls' squares that attributions leave unexplained, (N,), from 0 to 1.

        It is Captum's normalised infidelity, which scales each record's attributions as fits best, over the mean square
        of the falls; attributions whose best scale is negative explain nothing. 0 where no removal changed the score.

        Source: arXiv:1901.09392.
        """
        return self._unexplained(self._by_unit(maps_NQ))

    def shuffled(self, maps_NQ: Tensor, seed: int) -> NDArray[np.float64]:
        """The infidelity (N,) of the same numbers at the wrong units: what a method must beat."""
        values_NU, found = self._by_unit(maps_NQ), []
        generator = torch.Generator().manual_seed(seed)
        for _ in range(SHUFFLES):
            order_NU = torch.rand(values_NU.shape, generator=generator).masked_fill(~self.present_NU, 2.0).argsort(1)
            found.append(self._unexplained(values_NU.gather(1, order_NU)))
        return np.asarray(np.mean(found, axis=0))

    def _by_unit(self, maps_NQ: Tensor) -> Tensor:
        values_NU = torch.zeros(self.present_NU.shape, dtype=torch.double)
        return values_NU.index_add(1, self.units_Q.flatten(), maps_NQ.double().flatten(1))

    def _unexplained(self, values_NU: Tensor) -> NDArray[np.float64]:
        told_NK = (self.removed_NKU.double() @ values_NU[:, :, None])[:, :, 0]
        both_N = (told_NK * self.fall_NK).sum(1).clamp_min(0)
        falls_N = self.fall_NK.square().sum(1)
        sizes_N = told_NK.square().sum(1) * falls_N
        share_N = 1 - torch.where(sizes_N > 0, both_N.square() / sizes_N, 0.0)
        return np.asarray(share_N.masked_fill(falls_N == 0, 0.0).numpy())


def draw_removals(subject: Subject) -> Removals:
    """Remove random units of each record (blocks of pixels, columns, tokens, steps), and ask the network."""
    records, size = len(subject.x_NDP), subject.size
    units_Q = torch.arange(int(np.prod(size))).view(size)
    if subject.noun == "pixels" and subject.reference.units_P is not None:
        units_Q = subject.reference.units_P
    units = int(units_Q.max()) + 1
    present_NU = (
        torch.zeros((records, units)).index_add(1, units_Q.flatten(), subject.present_NQ.float().flatten(1)) > 0
    )
    generator = torch.Generator().manual_seed(subject.reference.seed)
    removed_NKU = torch.rand((records, REMOVALS, units), generator=generator) < REMOVED
    replacing = replace(subject.replacing(), probability=False)
    falls = []
    for rows in torch.arange(records).split(max(1, subject.reference.rows // REMOVALS)):
        left_NK = replacing.with_own(~removed_NKU[rows][:, :, units_Q], rows)
        falls.append(replacing.scores(subject.x_NDP[rows], rows)[:, None] - left_NK)
    return Removals(units_Q, present_NU, removed_NKU & present_NU[:, None], torch.cat(falls).double())
