"""A multilayer perceptron on flattened records.

Shapes: B batch, K classes.
"""

import math
from typing import ClassVar

from torch import Tensor, nn


class MLP(nn.Module):
    """Fully connected layers with batch normalisation and dropout.

    Args:
        input_shape: of one preprocessed record; flattened.
        outputs: K, the number of classes.
        hidden: width of each hidden layer.
        dropout: probability, after each hidden layer.

    Source: the textbook network; batch normalisation from arXiv:1502.03167.

    Examples:
        >>> import torch
        >>> MLP((1, 28, 28), 10, hidden=(32,))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    modalities: ClassVar = ("image",)
    has_feature_maps: ClassVar = False

    def __init__(
        self, input_shape: tuple[int, ...], outputs: int, *, hidden: tuple[int, ...] = (256, 128), dropout: float = 0.2
    ) -> None:
        super().__init__()
        widths = (math.prod(input_shape), *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for width, following in zip(widths, hidden, strict=False):
            layers += [nn.Linear(width, following), nn.BatchNorm1d(following), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K), float32, of preprocessed records (B, *input_shape), float32."""
        logits_BK: Tensor = self.layers(x)
        return logits_BK
