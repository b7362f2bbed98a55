"""From a network's outputs to named answers, by problem: the last step of the exported graph.

Shapes: B batch, O outputs, K classes, H numbers of one answer, Q quantiles.
"""

from typing import ClassVar

from torch import Tensor, nn

from lightloop.config.schema import Config
from lightloop.config.series import SeriesSpec


class Answer(nn.Module):
    """Outputs (B, O) in the target's units to a tuple of answers, which `names` says; one subclass a problem."""

    names: ClassVar[tuple[str, ...]]


class ClassAnswer(Answer):
    """Logits and probabilities (B, K); outputs beyond the classes belong to auxiliary heads and are left out."""

    names = ("logits", "probabilities")

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, outputs_BO: Tensor) -> tuple[Tensor, Tensor]:
        logits_BK = outputs_BO[:, : self.classes]
        return logits_BK, logits_BK.softmax(1)


class NumberAnswer(Answer):
    """The numbers (B, H): outputs are the H numbers themselves."""

    names = ("prediction",)

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.numbers = numbers

    def forward(self, outputs_BO: Tensor) -> tuple[Tensor]:
        return (outputs_BO[:, : self.numbers],)


def count_numbers(config: Config) -> int:
    """H: how many numbers one answer is; 1 but for forecasts."""
    spec = config.data
    return spec.horizon if isinstance(spec, SeriesSpec) and spec.problem == "forecasting" else 1


def count_outputs(config: Config) -> int:
    """O: how many outputs the network must have."""
    if config.data.problem == "classification":
        return len(config.data.classes)
    return count_numbers(config)


def build_answer(config: Config) -> Answer:
    """The answer of the config's problem."""
    if config.data.problem == "classification":
        return ClassAnswer(len(config.data.classes))
    return NumberAnswer(count_numbers(config))
