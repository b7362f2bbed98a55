"""What is free is on: settings that make training faster without changing what is computed, or hardly."""

from dataclasses import dataclass

from lightloop.config.training import TrainerConfig
from lightloop.tasks.processor import has_bf16_arithmetic


@dataclass(frozen=True)
class Speed:
    """The settings chosen for this machine.

    Attributes:
        precision: in Lightning's words, "bf16-mixed" or "32-true".
        channels_last: whether images and convolution weights are laid out with channels last.
        reason: why, in words for the report.
    """

    precision: str
    channels_last: bool
    reason: str


def choose_speed(trainer: TrainerConfig) -> Speed:
    """Resolve the `auto` settings of a config for this machine.

    bf16 autocast with channels-last memory was measured at 1.4 to 2.1 times the images a second of float32 for small
    CNNs, on a processor with bf16 arithmetic (docs/benchmarks.md); without such arithmetic bf16 is emulated and slower.

    Examples:
        >>> choose_speed(TrainerConfig(max_epochs=1, batch_size=1, patience=1, precision="32")).precision
        '32-true'
    """
    able = has_bf16_arithmetic()
    bf16 = able if trainer.precision == "auto" else trainer.precision == "bf16"
    channels_last = bf16 if trainer.channels_last == "auto" else trainer.channels_last
    if trainer.precision == "auto":
        reason = "the processor has bf16 arithmetic" if able else "the processor has no bf16 arithmetic"
    else:
        reason = "the config says so"
    return Speed("bf16-mixed" if bf16 else "32-true", channels_last, reason)
