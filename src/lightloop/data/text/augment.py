"""Augmentation of whole batches of token ids, on the batch's device.

Shapes: B batch, T tokens.
"""

import torch
from torch import Tensor

from lightloop.config.text import TextAugment
from lightloop.networks._inputs import PADDING

UNKNOWN = 1


def augment_ids(ids_BT: Tensor, settings: TextAugment, generator: torch.Generator) -> Tensor:
    """Let neighbours change places, and make tokens unknown, each on its own draw; padding stays where it is.

    Args:
        ids_BT: int64, padding at the end of each row.
        settings: how often.
        generator: of every random number, on the device of the batch.

    Returns:
        Ids of the same shape and dtype.

    Examples:
        >>> ids = torch.tensor([[7, 8, 9, 0]])
        >>> augment_ids(ids, TextAugment(name="text", dropout=1.0), torch.Generator()).tolist()
        [[1, 1, 1, 0]]
    """
    if settings.swap:
        ids_BT = _swap(ids_BT, settings.swap, generator)
    if settings.dropout:
        hit_BT = torch.rand(ids_BT.shape, generator=generator, device=ids_BT.device) < settings.dropout
        ids_BT = torch.where(hit_BT & (ids_BT != PADDING), UNKNOWN, ids_BT)
    return ids_BT


def _swap(ids_BT: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Exchange pairs of neighbours; a token is in one pair at most."""
    length = ids_BT.shape[1]
    if length < 2:
        return ids_BT
    # Pairs begin at even places or at odd ones, a coin for each batch, so that every two neighbours can meet.
    first = int(torch.randint(2, (1,), generator=generator, device=ids_BT.device)) if length > 2 else 0
    pairs = (length - first) // 2
    span = slice(first, first + 2 * pairs)
    pairs_BP2 = ids_BT[:, span].unflatten(1, (pairs, 2))
    hit_BP = torch.rand(pairs_BP2.shape[:2], generator=generator, device=ids_BT.device) < probability
    hit_BP &= pairs_BP2[..., 1] != PADDING
    swapped_BP2 = torch.where(hit_BP[..., None], pairs_BP2.flip(2), pairs_BP2)
    return torch.cat([ids_BT[:, :first], swapped_BP2.flatten(1), ids_BT[:, span.stop :]], dim=1)
