"""What is free is on: settings that make training faster without changing what is computed, or hardly."""

import ctypes
import platform
from dataclasses import dataclass

import torch

from lightloop.config.training import TrainerConfig


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


def has_bf16_arithmetic() -> bool:
    """Whether the device that will train multiplies bf16 numbers in hardware."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def tune_allocator() -> bool:
    """Keep large freed blocks instead of giving them back to the system at each step; return whether it was done.

    glibc maps and unmaps every large activation anew, and each page is faulted in again: raising its thresholds was
    measured at 1.55 times the training speed of a small CNN. Only glibc on Linux has this; elsewhere nothing happens.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    settings = ((mmap_threshold, 1 << 30), (trim_threshold, (1 << 31) - 1), (top_pad, 64 << 20))
    return all(libc.mallopt(parameter, value) == 1 for parameter, value in settings)
