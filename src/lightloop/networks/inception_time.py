"""A convolutional network for series with kernels of several lengths.

Shapes: B batch, T steps, C channels, O outputs.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lightloop.networks._inputs import SeriesInputs
from lightloop.networks._layers import ACTIVATIONS, STEP_NORMS
from lightloop.networks._network import Network


class InceptionTime(Network):
    """Modules of convolutions of several lengths side by side, a shortcut every third; the mean over steps; linear.

    Args:
        inputs: of series.
        outputs: O.
        filters: of each branch; a module puts out as many for each of `kernels` and for its pooling branch.
        depth: how many modules.
        kernels: lengths of the convolutions, odd. A kernel longer than the series sees zeros beyond its ends.
        bottleneck: channels that the convolutions of a module read; 0 lets them read all.
        activation: of each module, and after each shortcut.
        normalisation: of each module and shortcut, over the channels; "layer" of each step by itself.
        dropout: probability, before the linear layer.
        initialisation, weights, fresh, freeze: see `_network.Network`.

    Parameters: of a module from a to w channels, with w = f (`kernels` + 1) and f = `filters`: a b of the bottleneck b,
    b f sum(`kernels`), a f of the pooling branch, 2 w; of a shortcut a w + 2 w; O (w + 1) of the last layer.

    Source: arXiv:1909.04939. Unlike there the pooling branch takes the mean of three steps, not their maximum, for
    which DeepLIFT is wrong (captum 0.9, #1104); and one network is trained, not five.

    Examples:
        >>> network = InceptionTime(SeriesInputs(length=24, channels=2), 3, filters=4, depth=3, kernels=(9, 5))
        >>> network(torch.zeros(5, 24, 2)).shape
        torch.Size([5, 3])
    """

    modalities: ClassVar = ("series",)
    has_feature_maps: ClassVar = False

    def __init__(
        self,
        inputs: SeriesInputs,
        outputs: int,
        *,
        filters: int = 32,
        depth: int = 6,
        kernels: tuple[int, ...] = (39, 19, 9),
        bottleneck: int = 32,
        activation: Literal[
            "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus"
        ] = "relu",
        normalisation: Literal["batch", "layer", "none"] = "batch",
        dropout: float = 0.0,
        initialisation: Literal[
            "default", "kaiming", "kaiming_uniform", "xavier", "xavier_normal", "orthogonal", "truncated_normal"
        ] = "default",
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        even = [kernel for kernel in kernels if kernel % 2 == 0]
        if even:
            raise ValueError(f"kernels has {even[0]}, which is even and would shift the series: give odd lengths")
        norm = STEP_NORMS[normalisation]
        width = inputs.channels
        self.groups = nn.ModuleList()
        for start in range(0, depth, 3):
            entry, modules = width, nn.Sequential()
            for _ in range(min(3, depth - start)):
                module = _Inception(width, filters, kernels, bottleneck, bias=normalisation == "none")
                width = module.outputs
                modules.append(nn.Sequential(module, norm(width), ACTIVATIONS[activation]()))
            shortcut = nn.Sequential(nn.Conv1d(entry, width, 1, bias=normalisation == "none"), norm(width))
            full = len(modules) == 3
            self.groups.append(_Shortcut(modules, shortcut, ACTIVATIONS[activation]()) if full else modules)
        self.head = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(width, outputs))
        self.start(initialisation=initialisation, weights=weights, fresh=fresh, freeze=freeze)

    def embed(self, x_BTC: Tensor) -> Tensor:
        """The series itself."""
        return x_BTC

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Outputs (B, O) of the series (B, T, C); `mask` is not needed."""
        x_BCT = embedded.transpose(1, 2)
        for group in self.groups:
            x_BCT = group(x_BCT)
        outputs_BO: Tensor = self.head(x_BCT)
        return outputs_BO

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Outputs (B, O), float32, of series (B, T, C), float32."""
        return self.forward_embedded(x_BTC)


class _Shortcut(nn.Module):
    """Layers beside a shortcut."""

    def __init__(self, layers: nn.Module, shortcut: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x_BCT: Tensor) -> Tensor:
        out_BCT: Tensor = self.activation(self.layers(x_BCT) + self.shortcut(x_BCT))
        return out_BCT


class _Inception(nn.Module):
    """Convolutions of several lengths, and one of length 1 on the mean of neighbours, side by side."""

    def __init__(self, inputs: int, filters: int, kernels: tuple[int, ...], bottleneck: int, *, bias: bool) -> None:
        super().__init__()
        squeeze = bottleneck > 0 and inputs > 1
        read = bottleneck if squeeze else inputs
        self.bottleneck = nn.Conv1d(inputs, read, 1, bias=False) if squeeze else nn.Identity()
        self.branches = nn.ModuleList(
            nn.Conv1d(read, filters, kernel, padding=kernel // 2, bias=bias) for kernel in kernels
        )
        self.pooled = nn.Sequential(nn.AvgPool1d(3, stride=1, padding=1), nn.Conv1d(inputs, filters, 1, bias=bias))
        self.outputs = filters * (len(kernels) + 1)

    def forward(self, x_BCT: Tensor) -> Tensor:
        read_BCT = self.bottleneck(x_BCT)
        return torch.cat([*(branch(read_BCT) for branch in self.branches), self.pooled(x_BCT)], 1)
