"""Activations, normalisations and initialisations by name: tables from a name in a config to what torch keeps.

The annotations in the networks repeat these names, since a config is read from them without importing torch; a test
keeps both equal.

Shapes: B batch, C channels, F features, H height, W width, T steps.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}


class StepNorm(nn.Module):
    """Layer normalisation of each step of (B, C, T) by itself: it sees neither the future nor padding."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x_BCT: Tensor) -> Tensor:
        out_BTC: Tensor = self.norm(x_BCT.transpose(1, 2))
        return out_BTC.transpose(1, 2)


def _groups(channels: int) -> nn.Module:
    """Up to 8 groups, of the same size and of at least 4 channels: of fewer little would be left."""
    groups = next(
        groups for groups in (8, 4, 2, 1) if (channels % groups == 0 and channels // groups >= 4) or groups == 1
    )
    return nn.GroupNorm(groups, channels)


def _none(_: int) -> nn.Module:
    return nn.Identity()


# Of vectors (B, F), maps (B, C, H, W) and steps (B, C, T).
VECTOR_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
    "group": _groups,
    "none": _none,
}
MAP_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": partial(nn.GroupNorm, 1),
    "group": _groups,
    "none": _none,
}
STEP_NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": StepNorm, "none": _none}

INITIALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "kaiming": nn.init.kaiming_normal_,
    "kaiming_uniform": nn.init.kaiming_uniform_,
    "xavier": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
    "truncated_normal": partial(nn.init.trunc_normal_, std=0.02),
}


def initialise(network: nn.Module, name: str) -> None:
    """Draw the weights of linear, convolutional and recurrent layers anew, and set their biases to 0.

    Weights of several gates are drawn gate by gate. Embeddings and norms keep what they have; "default" keeps
    everything as the layers of torch drew it.

    Examples:
        >>> import torch
        >>> layer = nn.Linear(4, 3)
        >>> initialise(layer, "orthogonal")
        >>> bool((layer.weight @ layer.weight.T - torch.eye(3)).abs().max() < 1e-5)
        True
    """
    if name == "default":
        return
    draw = INITIALISATIONS[name]
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.RNNBase):
            gates = module.hidden_size if isinstance(module, nn.RNNBase) else 0
            for parameter in module.parameters(recurse=False):
                if parameter.ndim == 1:
                    nn.init.zeros_(parameter)
                else:
                    for part in parameter.data.split(gates or len(parameter)):
                        draw(part)
