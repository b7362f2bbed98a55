"""The attributions of a subject by a method: what everything that explains starts from."""

import torch
from torch import Tensor, nn

from lightloop.explanation.methods import Method
from lightloop.explanation.subject import Subject

LENGTHS = 5  # groups of texts


def attribute(method: Method, subject: Subject, network: nn.Module | None = None) -> Tensor:
    """Attributions (N, Q), float32, of what is explained; by another network than the subject's where one is given.

    Q are positions (images: (H, W)), channels of positions (series of several channels: (D, P)), or columns of a table.
    """
    if subject.noun == "tokens":
        return _by_length(method, subject, network)
    return _attribute(method, subject, network)


def _by_length(method: Method, subject: Subject, network: nn.Module | None) -> Tensor:
    """Texts of about the same length together, without the padding that longer ones need."""
    maps_NQ = torch.zeros(subject.present_NQ.shape)
    lengths_N = subject.present_NQ.sum(1)
    for rows in lengths_N.argsort(stable=True).tensor_split(min(LENGTHS, len(lengths_N))):
        length = max(1, int(lengths_N[rows].max()))
        maps_NQ[rows, :length] = _attribute(method, subject.take(rows).trimmed(length), network)
    return maps_NQ


def _attribute(method: Method, subject: Subject, network: nn.Module | None) -> Tensor:
    x_NDP = subject.x_NDP
    found = method.attribute(network or subject.network, x_NDP, subject.targets_N, subject.reference, subject.extras)
    if subject.reference.by_channel:
        if found.ndim < x_NDP.ndim:
            # What knows no channels says the same of each.
            found = found[:, None].expand(x_NDP.shape) / x_NDP.shape[1]
    elif found.ndim == x_NDP.ndim:
        found = found.sum(1)
    if subject.columns_P is None:
        return found.masked_fill(~subject.present_NQ, 0.0)
    return torch.zeros(subject.present_NQ.shape).index_add(1, subject.columns_P, found)
