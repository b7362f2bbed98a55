"""Batches of records that lie in memory, fetched by row numbers: no per-record Python in the hot loop.

Shapes: N records, B batch.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler


class Batch(NamedTuple):
    """A whole batch.

    Attributes:
        inputs: encoded records, (B, ...) each; what `Preprocessor.forward` takes.
        targets: (B,) int64 for classes, or (B, K) float32 where augmentation mixed them; (B, H) float32 for numbers.
        auxiliary: targets of further heads, (B,) each, or (B, K) shares of a head's classes where augmentation mixed
            them; empty but for multi-task.
        seed: of all that is drawn for this batch. It depends on the run's seed, the epoch and the batch's number
            alone, so that a training that was interrupted draws the same when it goes on.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    auxiliary: tuple[Tensor, ...] = ()
    seed: int = 0


class Rows(NamedTuple):
    """Row numbers (B,) of one batch, and its seed."""

    rows: Tensor
    seed: int


@dataclass(frozen=True)
class EncodedRecords(Dataset[Batch]):
    """The records of a split, encoded.

    Attributes:
        inputs: (N, ...) each.
        targets: (N,) int64 or (N, H) float32.
        auxiliary: (N,) each.
        weights: (N,) the chance of each to be drawn in training; None where all have the same.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    auxiliary: tuple[Tensor, ...] = ()
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Tensor) -> Self:
        """The records with these row numbers, of the same class."""
        return replace(
            self,
            inputs=tuple(part[rows] for part in self.inputs),
            targets=self.targets[rows],
            auxiliary=tuple(part[rows] for part in self.auxiliary),
            weights=None if self.weights is None else self.weights[rows],
        )

    def __getitem__(self, chosen: Rows) -> Batch:
        rows = chosen.rows
        inputs = tuple(part[rows] for part in self.inputs)
        return Batch(inputs, self.targets[rows], tuple(part[rows] for part in self.auxiliary), chosen.seed)


class BatchRows(Sampler[Rows]):
    """Row numbers of each batch. Shuffled ones depend on seed and epoch alone.

    Args:
        rows: how many records there are.
        batch_size: of every batch but the last; in training a last batch of one record joins the one before.
        shuffle_seed: None keeps the order of the records.
        weights: (rows,) the chance of each record to be drawn, with replacement; None takes each once an epoch.
        lengths: (rows,) of the records; batches then hold records of similar length.
    """

    # Batches that are sorted by length together: large enough to gain, small enough to stay shuffled.
    POOL = 20

    def __init__(
        self,
        rows: int,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        weights: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.weights = weights
        self.lengths = lengths
        self.epoch = 0
        self.number = 0
        self._done = (-1, 0)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        lone = self.shuffle_seed is not None and self.rows > self.batch_size and self.rows % self.batch_size == 1
        return math.ceil(self.rows / self.batch_size) - lone

    def __iter__(self) -> Iterator[Rows]:
        # When an epoch is taken up again, its first batches were trained on already.
        first = self._done[1] if self._done[0] == self.epoch else 0
        for number, rows in enumerate(self.batches()):
            if number >= first:
                self.number = number + 1
                yield Rows(rows, self._seed(number))

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given out."""
        return {"epoch": self.epoch, "number": self.number}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where the state was taken."""
        self._done = (state["epoch"], state["number"])

    def _seed(self, number: int) -> int:
        # Torch's generators take 64 bits.
        return (((self.shuffle_seed or 0) * 1_000_003 + self.epoch) * 1_000_003 + number) % 2**63

    def batches(self) -> list[Tensor]:
        """The row numbers of each batch of the epoch."""
        if self.shuffle_seed is None:
            return list(torch.arange(self.rows).split(self.batch_size))
        random = torch.Generator().manual_seed(self.shuffle_seed * 1_000_003 + self.epoch)
        if self.weights is not None:
            order = torch.multinomial(self.weights, self.rows, replacement=True, generator=random)
        else:
            order = torch.randperm(self.rows, generator=random)
        if self.lengths is None:
            return _without_lone(order.split(self.batch_size))
        batches: list[Tensor] = []
        for pool in order.split(self.POOL * self.batch_size):
            batches += pool[self.lengths[pool].argsort(stable=True)].split(self.batch_size)
        batches = _without_lone(batches)
        return [batches[place] for place in torch.randperm(len(batches), generator=random).tolist()]


def _without_lone(batches: Sequence[Tensor]) -> list[Tensor]:
    """The same with a last batch of one record joined to the one before: batch normalisation can't train on one."""
    *rest, last = batches
    if not rest or len(last) > 1:
        return [*rest, last]
    return [*rest[:-1], torch.cat([rest[-1], last])]


class RecordsLoader(DataLoader[Batch]):
    """A loader over whole batches that can go on in the middle of an epoch; Lightning saves and loads its state."""

    def state_dict(self) -> dict[str, Any]:
        assert isinstance(self.sampler, BatchRows)
        return self.sampler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        assert isinstance(self.sampler, BatchRows)
        self.sampler.load_state_dict(state_dict)
