"""A multilayer perceptron on flattened records.

Shapes: B batch, F features, O outputs.
"""

from typing import ClassVar

from torch import Tensor, nn

from lightloop.networks._inputs import ImageInputs


class MLP(nn.Module):
    """Fully connected layers with batch normalisation and dropout.

    Args:
        inputs: of the records, which are flattened.
        outputs: O.
        hidden: width of each hidden layer.
        dropout: probability, after each hidden layer.

    Source: the textbook network; batch normalisation from arXiv:1502.03167.

    Examples:
        >>> import torch
        >>> MLP(ImageInputs(1, 28, 28), 10, hidden=(32,))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    modalities: ClassVar = ("image",)
    has_feature_maps: ClassVar = False

    def __init__(
        self, inputs: ImageInputs, outputs: int, *, hidden: tuple[int, ...] = (256, 128), dropout: float = 0.2
    ) -> None:
        super().__init__()
        widths = (inputs.channels * inputs.height * inputs.width, *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for width, following in zip(widths, hidden, strict=False):
            layers += [nn.Linear(width, following), nn.BatchNorm1d(following), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (B, O), float32, of preprocessed images (B, C, H, W), float32."""
        outputs_BO: Tensor = self.layers(x)
        return outputs_BO
