"""What every attribution method is given, and how it cuts its work into pieces.

Shapes: N records, S drawn baselines, D components, P positions (height and width of images, one axis of all others).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Rows of one forward pass where nobody measured how many fit the memory limit, and the most there are ever.
ROWS = 64
MOST_ROWS = 4096

# What a network takes beside the record that is explained, (N, ...) each: the mask of a text, raw windows of a series.
Extras = tuple[Tensor, ...]


@dataclass(frozen=True)
class Reference:
    """What records are compared with, and how finely.

    Attributes:
        baseline_DP: "nothing special to see", prepared: the mean training record. A black image would hide all that
            speaks by being dark, since black pixels would differ by nothing from it.
        baselines_SDP: training records, prepared: what GradientSHAP takes the expectation over.
        steps: points on the path of integrated gradients.
        seed: of all that is drawn.
        units_P: int64, which unit each position belongs to, where several are ablated together: blocks of pixels, the
            positions of one column. None ablates each position by itself.
        perturbations: how often KernelSHAP, LIME and Shapley sampling ask the network about a record.
        spare_SDP: other training records, for `reseeded`; None where there are no others.
        by_channel: the components of a position are channels that mean something by themselves, so that they are
            ablated and reported one by one.
        window: of occlusion, its length along each axis of a record (D, P), and `stride` how far it moves.
        layer: of Grad-CAM++, as the network names it; None is `network.feature_maps`.
        rows: of one forward pass.
        bf16: whether methods that average over draws may compute in bf16.
    """

    baseline_DP: Tensor
    baselines_SDP: Tensor
    steps: int
    seed: int
    units_P: Tensor | None = None
    perturbations: int = 256
    spare_SDP: Tensor | None = None
    by_channel: bool = False
    window: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    layer: str | None = None
    rows: int = ROWS
    bf16: bool = False

    def reseeded(self) -> "Reference":
        """With other draws of all that is drawn: another seed, and other training records where there are any."""
        drawn_SDP = self.baselines_SDP if self.spare_SDP is None else self.spare_SDP
        return replace(self, seed=self.seed + 1, baselines_SDP=drawn_SDP[: len(self.baselines_SDP)])

    def units(self, x_NDP: Tensor) -> tuple[Tensor, Tensor]:
        """The unit of each position, int64, and the share of it that one position gets, float32.

        Both are (1, P), or (D, P) where channels are told apart.
        """
        units_DP = None if self.units_P is None else self.units_P[None]
        if units_DP is None:
            shape = x_NDP.shape[1:] if self.by_channel else (1, *x_NDP.shape[2:])
            units_DP = torch.arange(int(np.prod(shape))).view(shape)
        return units_DP, 1 / torch.bincount(units_DP.flatten())[units_DP].float()


Attribute = Callable[[nn.Module, Tensor, Tensor, Reference, Extras], Tensor]


def frozen(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode that answers the same and is quick to attribute by.

    Its parameters want no gradients: attributions need those of the input alone. It is laid out channels last, where
    convolutions are up to a third faster. The batch normalisation right after a convolution is put into its weights,
    which saves a pass over the activations in each direction.
    """
    copy: nn.Module = deepcopy(network).eval().requires_grad_(False)
    for module in copy.modules():
        if isinstance(module, nn.Sequential):
            _fuse(module)
    return copy.to(memory_format=torch.channels_last)


def _fuse(layers: nn.Sequential) -> None:
    """Put batch normalisations into the convolutions before them; only in a Sequential is "before" known."""
    names = list(layers._modules)
    for first, second in pairwise(names):
        convolution, norm = layers._modules[first], layers._modules[second]
        if not isinstance(convolution, nn.Conv1d | nn.Conv2d) or not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            continue
        if norm.running_var is not None:
            layers._modules[first] = fuse_conv_bn_eval(convolution, norm).requires_grad_(False)
            layers._modules[second] = nn.Identity()


@torch.no_grad()
def rows_within(network: nn.Module, x_NDP: Tensor, extras: Extras, megabytes: int) -> int:
    """How many records one forward pass may hold, so that activations and their gradients stay within a limit, about.

    Counted is what the modules put out, three times: the values, their gradients, and what lies between modules.
    """
    seen = [x_NDP[:1].nbytes]

    def count(_: nn.Module, __: object, out: object) -> None:
        parts = out if isinstance(out, tuple | list) else (out,)
        seen.append(sum(part.nbytes for part in parts if isinstance(part, Tensor)))

    leaves = [module for module in network.modules() if not any(module.children())]
    hooks = [module.register_forward_hook(count) for module in leaves]
    try:
        network(x_NDP[:1], *(part[:1] for part in extras))
    finally:
        for hook in hooks:
            hook.remove()
    return min(MOST_ROWS, max(1, megabytes * 2**20 // (3 * sum(seen))))


def by_chunks(
    x_NDP: Tensor,
    targets_N: Tensor,
    extras: Extras,
    records: int,
    attribute: Callable[[Tensor, Tensor, Extras | None], Tensor],
) -> Tensor:
    """Attributions of a few records at a time, (N, ...), float32, without a graph."""
    parts = [
        attribute(x_NDP[rows].clone(), targets_N[rows], tuple(part[rows] for part in extras) or None).detach()
        for rows in torch.arange(len(x_NDP)).split(max(1, records))
    ]
    return torch.cat(parts).float()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Captum draws from the global generators of torch and NumPy: set them, and put back what was there."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)
