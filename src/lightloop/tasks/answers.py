"""From a network's outputs to named answers, by problem: the last step of the exported graph.

Shapes: B batch, O outputs, K classes, H numbers of one answer, Q quantiles.
"""

import torch
from torch import Tensor, nn

from lightloop.calibration.rules import Scaling
from lightloop.config.image import ImageSpec
from lightloop.config.losses import Quantile
from lightloop.config.schema import Config
from lightloop.config.series import SeriesSpec
from lightloop.tasks.scaling import build_scaling


class Answer(nn.Module):
    """Outputs (B, O) in the target's units to a tuple of answers, which `names` says; one subclass a problem."""

    names: tuple[str, ...]


class ClassAnswer(Answer):
    """Raw logits and scaled probabilities (B, K); outputs beyond the classes are of auxiliary heads and left out.

    Args:
        classes: K.
        scaling: how logits become probabilities; by default softmax.
    """

    names = ("logits", "probabilities")

    def __init__(self, classes: int, scaling: Scaling | None = None) -> None:
        super().__init__()
        self.classes = classes
        self.scaling = build_scaling(scaling or Scaling())

    def forward(self, outputs_BO: Tensor) -> tuple[Tensor, Tensor]:
        logits_BK = outputs_BO[:, : self.classes]
        return logits_BK, self.scaling(logits_BK)


class NumberAnswer(Answer):
    """The numbers (B, H), and with several levels the quantiles (B, H, Q), of which the one at 0.5 is the prediction.

    Outputs are (H, Q) numbers, the levels of one number side by side; those beyond belong to auxiliary heads. Quantiles
    are sorted, since those of a network may cross.

    Args:
        numbers: H.
        levels: rising; 0.5 is among them.
    """

    def __init__(self, numbers: int, levels: tuple[float, ...] = (0.5,)) -> None:
        super().__init__()
        self.numbers = numbers
        self.levels = levels
        self.names = ("prediction", "quantiles") if len(levels) > 1 else ("prediction",)

    @property
    def outputs(self) -> int:
        """How many outputs it takes."""
        return self.numbers * len(self.levels)

    def forward(self, outputs_BO: Tensor) -> tuple[Tensor, ...]:
        own_BO = outputs_BO[:, : self.outputs]
        if len(self.levels) == 1:
            return (own_BO,)
        quantiles_BHQ = own_BO.reshape(-1, self.numbers, len(self.levels)).sort(2).values
        return quantiles_BHQ[:, :, self.levels.index(0.5)], quantiles_BHQ


class ImageAnswer(Answer):
    """Pixels (B, C, H, W), uint8, of levels 0 to 255 that are not yet whole numbers."""

    names = ("image",)

    def forward(self, outputs_BO: Tensor) -> tuple[Tensor]:
        return (outputs_BO.round().clamp(0, 255).to(torch.uint8),)


def count_numbers(config: Config) -> int:
    """H: how many numbers one answer is; 1 but for forecasts."""
    spec = config.data
    return spec.horizon if isinstance(spec, SeriesSpec) and spec.problem == "forecasting" else 1


def count_outputs(config: Config) -> int:
    """O: how many outputs the network must have."""
    if config.data.problem == "classification":
        return len(config.data.classes) + sum(auxiliary_outputs(config))
    if isinstance(config.data, ImageSpec) and config.data.problem == "generation":
        height, width = config.data.size
        return config.data.channels * height * width
    return count_numbers(config) * len(levels_of(config))


def auxiliary_outputs(config: Config) -> tuple[int, ...]:
    """How many outputs each further head has, in the order of the spec's columns; () but for task=multi_task."""
    if config.task.name != "multi_task":
        return ()
    columns = config.data.columns
    return tuple(len(columns[name].classes) or 1 for name in config.data.with_role("auxiliary"))


def levels_of(config: Config) -> tuple[float, ...]:
    """The levels of the quantiles that are answered; 0.5 alone where the loss asks for none."""
    return config.loss.levels if isinstance(config.loss, Quantile) else (0.5,)


def build_answer(config: Config, scaling: Scaling | None = None) -> Answer:
    """The answer of the config's problem; of classes with calibrated probabilities where a scaling is given."""
    if config.data.problem == "generation":
        return ImageAnswer()
    if config.data.problem == "classification":
        return ClassAnswer(len(config.data.classes), scaling)
    return NumberAnswer(count_numbers(config), levels_of(config))
