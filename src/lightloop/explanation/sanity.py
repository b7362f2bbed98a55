"""Do attributions depend on what the network has learned? Its layers are given random weights, from the top down.

Source: Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv:1810.03292: cascading randomisation.

Shapes: N records, D components, P positions, Q positions or columns; of images C channels, H height, W width.
"""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from lightloop.explanation.reference import Extras

# What `explanation.subject.Explained` adds to the names of a network's layers.
WRAPPED = "network."


def layers_from_top(network: nn.Module, x_NDP: Tensor, extras: Extras = ()) -> list[list[str]]:
    """Names of the modules that hold weights, last one run first; a normalisation goes with the layer before it.

    A module that is never called itself, since the one that holds it uses its weights, goes with that one. What is not
    run at all for prepared records, such as an embedding, is left out.

    Examples:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2)).eval()
        >>> layers_from_top(network, torch.zeros(1, 1, 3, 3))
        [['3'], ['0', '1']]
    """
    ran: list[str] = []
    holders = [
        name for name, module in network.named_modules() if next(module.parameters(recurse=False), None) is not None
    ]
    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda *_, name=name: ran.append(name))
        for name in holders
    ]
    try:
        with torch.no_grad():
            network(x_NDP[:1], *(part[:1] for part in extras))
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
        groups[-1] += [other for other in holders if other.startswith(f"{name}.") and other not in ran]
    return groups[::-1]


def randomised(
    network: nn.Module, fresh: nn.Module, x_NDP: Tensor, extras: Extras = ()
) -> Iterator[tuple[str, nn.Module]]:
    """The network with more and more layers, from the top, as they are in `fresh`; the last one is all random.

    Args:
        network: trained, frozen, in evaluation mode. It is left as it is.
        fresh: the same architecture with random weights, other than those that training started from.
        x_NDP: prepared records, to see in which order layers run.
        extras: what else the network takes.

    Yields:
        Name of the layer that was randomised last, and the network.
    """
    changed = deepcopy(network)
    for names in layers_from_top(network, x_NDP, extras):
        for name in names:
            _copy_own(changed.get_submodule(name), fresh.get_submodule(name))
        yield names[0].removeprefix(WRAPPED), changed


@torch.no_grad()
def _copy_own(module: nn.Module, source: nn.Module) -> None:
    """Take over the weights and the buffers that are the module's own, not those of modules in it."""
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    others = [*source.parameters(recurse=False), *source.buffers(recurse=False)]
    for mine, other in zip(own, others, strict=True):
        mine.copy_(other)


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


def rank_correlation(
    first_NQ: Tensor, second_NQ: Tensor, where_NQ: Tensor, given_NQ: Tensor | None = None
) -> float | None:
    """Spearman's correlation of the sizes of two attributions over the positions `where`, mean over records.

    Signs are left out, as Adebayo et al. do: a map and its negative show a reader the same positions.

    Args:
        first_NQ: of one network.
        second_NQ: of another.
        where_NQ: which positions are looked at.
        given_NQ: what both may have in common without its counting: then it is the partial correlation.

    Returns:
        Between -1 and 1, or None where no record has a map that varies: then nothing can be said.
    """
    found = []
    for row, where_Q in enumerate(where_NQ):
        first_Q, second_Q = (values[row][where_Q].abs().numpy() for values in (first_NQ, second_NQ))
        correlation = _spearman(first_Q, second_Q, None if given_NQ is None else given_NQ[row][where_Q].numpy())
        if correlation is not None:
            found.append(correlation)
    return float(np.mean(found)) if found else None


def _spearman(
    first_P: NDArray[np.float32], second_P: NDArray[np.float32], given_P: NDArray[np.float32] | None
) -> float | None:
    """By mean ranks of ties; None where one of the two is constant, or follows from what is given."""
    if len(first_P) < 2:
        return None
    first, second = (_centred_ranks(values) for values in (first_P, second_P))
    sizes = first @ first, second @ second
    if given_P is not None:
        given = _centred_ranks(given_P)
        own = float(given @ given)
        if own > 0:
            first, second = (ranked - (ranked @ given) / own * given for ranked in (first, second))
    left = first @ first, second @ second
    if any(now <= 1e-9 * before for now, before in zip(left, sizes, strict=True)):
        return None
    return float(first @ second) / float(np.sqrt(left[0] * left[1]))


def _centred_ranks(values_P: NDArray[np.float32]) -> NDArray[np.float64]:
    ranked_P = rankdata(values_P)
    return np.asarray(ranked_P - ranked_P.mean())
