"""Deletion and insertion: does the answer hang on the positions that an attribution ranks first?

Positions are replaced by the baseline, most important first (deletion: the score should fall at once), or put into the
baseline (insertion: it should rise at once). The score is the probability of the predicted class; of numbers it is the
answer itself, in its unit, less the answer to the baseline. Source: RISE, arXiv:1806.07421.

Shapes: N records, F fractions, D components, P positions (height and width of images), Q what is ranked: positions, or
the columns of a table, whose positions go together.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightloop.explanation.reference import ROWS, Extras

POINTS = 21  # of each curve, from nothing to every position
CONFIDENCE = 0.95
RESAMPLES = 2000


def fractions() -> NDArray[np.float64]:
    """The shares of positions at which curves are taken, (F,)."""
    return np.linspace(0, 1, POINTS)


def ranks(maps_NQ: Tensor, seed: int) -> Tensor:
    """The place of each position, most important first: (N, Q), int64, from 0.

    Equal values are put in random order. Row order would delete the empty upper border first and flatter or damn a
    method by where its ties lie.

    Examples:
        >>> ranks(torch.tensor([[[0.1, 0.7], [0.3, 0.2]]]), seed=0).tolist()
        [[[3, 0], [1, 2]]]
    """
    flat_NQ = maps_NQ.flatten(1)
    shuffled_Q = torch.randperm(flat_NQ.shape[1], generator=torch.Generator().manual_seed(seed))
    order_NQ = shuffled_Q[flat_NQ[:, shuffled_Q].argsort(dim=1, descending=True, stable=True)]
    return order_NQ.argsort(dim=1).view(maps_NQ.shape)


def random_maps(records: int, size: tuple[int, ...], grid: tuple[int, ...], seed: int) -> Tensor:
    """Importance drawn at random on a grid and scaled up to (N, *size): what a method as coarse as the grid must beat.

    The peer has to be as coarse as the method. Replacing scattered pixels wrecks a picture far sooner than replacing as
    many in blocks, whichever they are: a random order of blocks "beats" a random order of pixels at insertion.
    """
    drawn_N1hw = torch.rand((records, 1, *grid), generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(drawn_N1hw, size, mode="bilinear")[:, 0] if grid != size else drawn_N1hw[:, 0]


@dataclass(frozen=True)
class Replacing:
    """Records, and what their positions are replaced by.

    Attributes:
        network: frozen, in evaluation mode.
        x_NDP: prepared records.
        targets_N: the output that is looked at, of each.
        baseline_DP: what stands where a position is deleted or not yet inserted.
        present_NQ: which of them belong to the record: of a text not the padding, which is left as it is.
        probability: whether the outputs are logits, whose softmax is the score.
        extras: what else the network takes.
        columns_P: which of Q each position belongs to, where several go together; None where Q is P, or (D, P).
        rows: of one forward pass.
    """

    network: nn.Module
    x_NDP: Tensor
    targets_N: Tensor
    baseline_DP: Tensor
    present_NQ: Tensor
    probability: bool = True
    extras: Extras = ()
    columns_P: Tensor | None = None
    rows: int = ROWS

    @torch.no_grad()
    def scores(self, x_NDP: Tensor, rows_N: Tensor) -> Tensor:
        """What is looked at of changed records (N, D, P), `rows_N` saying which record each one was: (N,)."""
        outputs_NO = self.network(x_NDP, *(part[rows_N] for part in self.extras))
        if self.probability:
            outputs_NO = outputs_NO.softmax(1)
        scores_N: Tensor = outputs_NO.gather(1, self.targets_N[rows_N, None])[:, 0]
        return scores_N

    def curve(self, maps_NQ: Tensor, *, insertion: bool, seed: int) -> NDArray[np.float64]:
        """The score as positions are deleted, or inserted: (N, F).

        Args:
            maps_NQ: attributions; only their order counts.
            insertion: whether to insert instead of to delete.
            seed: of the order among equal attributions.
        """
        # What does not belong to a record comes last, and is never reached.
        ranks_NQ = ranks(maps_NQ.masked_fill(~self.present_NQ, -torch.inf), seed)
        lengths_N = self.present_NQ.flatten(1).sum(1)
        taken_NF = (lengths_N[:, None] * torch.from_numpy(fractions())).round()
        one_by_one = (1,) * (ranks_NQ.ndim - 1)
        parts = []
        for rows in torch.arange(len(self.x_NDP)).split(max(1, self.rows // POINTS)):
            reached_NFQ = ranks_NQ[rows, None] < taken_NF[rows].view(len(rows), POINTS, *one_by_one)
            parts.append(self.with_own(reached_NFQ == insertion, rows))
        found_NF = torch.cat(parts)
        if not self.probability:
            found_NF = found_NF - self.start()[:, None]
        return found_NF.double().numpy()

    def with_own(self, own_NFQ: Tensor, rows_N: Tensor) -> Tensor:
        """Scores (N, F) of records `rows_N` that keep their own positions where told, the baseline's elsewhere."""
        own_NFQ = own_NFQ | ~self.present_NQ[rows_N, None]
        own_NFP = own_NFQ if self.columns_P is None else own_NFQ[..., self.columns_P]
        if own_NFP.ndim == self.x_NDP.ndim:
            own_NFP = own_NFP[:, :, None]
        changed = torch.where(own_NFP, self.x_NDP[rows_N, None], self.baseline_DP).flatten(0, 1)
        return self.scores(changed, rows_N.repeat_interleave(own_NFQ.shape[1])).view(len(rows_N), -1)

    def start(self) -> Tensor:
        """The score of the baseline in the place of each record, (N,)."""
        start_DP, rows_N = self.baseline_DP, torch.arange(len(self.x_NDP))
        parts = [self.scores(start_DP.expand(len(rows), *start_DP.shape), rows) for rows in rows_N.split(self.rows)]
        return torch.cat(parts)


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
    """Whether a method's order beats random order, by the area under the curve, see `beats_random`."""
    return beats_random(area(curve_NF), area(random_NF), higher=insertion, seed=seed)


def beats_random(
    own_N: NDArray[np.float64], random_N: NDArray[np.float64], *, higher: bool, seed: int
) -> dict[str, Any]:
    """Whether a method's figures beat those of its random peer: the interval of the paired difference leaves out 0.

    Args:
        own_N: a figure a record.
        random_N: the peer's, of the same records.
        higher: whether higher is better.
        seed: of the bootstrap.

    Returns:
        `value` (mean) with `low` and `high`, `random` (the peer's mean), `passed`.
    """
    low, high = mean_interval(own_N, seed)
    gain_N = own_N - random_N if higher else random_N - own_N
    return {
        "value": float(own_N.mean()),
        "low": low,
        "high": high,
        "random": float(random_N.mean()),
        # A single record has an interval without width: it proves nothing.
        "passed": bool(len(gain_N) > 1 and mean_interval(gain_N, seed)[0] > 0),
    }
