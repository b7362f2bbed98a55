"""Do attributions depend on what the network has learned? Its layers are given random weights, from the top down.

Source: Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv:1810.03292: cascading randomisation.

Shapes: N records, C channels, H height, W width, P = H * W pixels.
"""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


def layers_from_top(network: nn.Module, x_NCHW: Tensor) -> list[list[str]]:
    """Names of the modules that hold weights, last one run first; a normalisation goes with the layer before it.

    Examples:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2)).eval()
        >>> layers_from_top(network, torch.zeros(1, 1, 3, 3))
        [['3'], ['0', '1']]
    """
    ran: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in network.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    try:
        with torch.no_grad():
            network(x_NCHW[:1])
    finally:
        for hook in hooks:
            hook.remove()
    groups: list[list[str]] = []
    for name in dict.fromkeys(ran):
        module = network.get_submodule(name)
        if groups and isinstance(module, _NormBase | nn.LayerNorm | nn.GroupNorm):
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups[::-1]


def randomised(network: nn.Module, fresh: nn.Module, x_NCHW: Tensor) -> Iterator[tuple[str, nn.Module]]:
    """The network with more and more layers, from the top, as they are in `fresh`; the last one is all random.

    Args:
        network: trained, frozen, in evaluation mode. It is left as it is.
        fresh: the same architecture with random weights, other than those that training started from.
        x_NCHW: preprocessed records, to see in which order layers run.

    Yields:
        Name of the layer that was randomised last, and the network.
    """
    changed = deepcopy(network)
    for names in layers_from_top(network, x_NCHW):
        for name in names:
            changed.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
        yield names[0], changed


def foreground(pixels_NCHW: Tensor) -> Tensor:
    """Pixels that differ from the most common colour of their image: (N, H, W), bool.

    An empty background takes part in every map alike and would make all maps look related.

    Examples:
        >>> foreground(torch.tensor([[[[0, 0], [0, 9]]]], dtype=torch.uint8)).tolist()
        [[[False, False], [False, True]]]
    """
    code_NHW = torch.zeros(pixels_NCHW[:, 0].shape, dtype=torch.int64)
    for channel_NHW in pixels_NCHW.unbind(1):
        code_NHW = code_NHW * 256 + channel_NHW.long()
    common_N = code_NHW.flatten(1).mode(1).values
    return code_NHW != common_N[:, None, None]


def rank_correlation(first_NHW: Tensor, second_NHW: Tensor, where_NHW: Tensor) -> float | None:
    """Spearman's correlation of the sizes of two attributions over the pixels `where`, mean over records.

    Signs are left out, as Adebayo et al. do: a map and its negative show a reader the same pixels.

    Returns:
        Between -1 and 1, or None where no record has a map that varies: then nothing can be said.
    """
    found = []
    for first_HW, second_HW, where_HW in zip(first_NHW, second_NHW, where_NHW, strict=True):
        correlation = _spearman(first_HW[where_HW].abs().numpy(), second_HW[where_HW].abs().numpy())
        if correlation is not None:
            found.append(correlation)
    return float(np.mean(found)) if found else None


def _spearman(first_P: NDArray[np.float32], second_P: NDArray[np.float32]) -> float | None:
    """By mean ranks of ties; None where one of the two is constant."""
    if len(first_P) < 2:
        return None
    first, second = rankdata(first_P), rankdata(second_P)
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 0 else None
