"""How long bundles take, side by side, and on what kind of processor: a measurement, never part of a decision."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from lightloop.data.inputs import Feeds
from lightloop.serving.predictor import Predictor

BATCHES = (1, 64)
# What small numbers are computed with, as PyTorch names it on x86 and on ARM.
GAINING = (
    "amx_bf16", "amx_fp16", "amx_int8", "avx2", "avx512_bf16", "avx512_f", "avx512_fp16", "avx512_vnni", "avx_vnni",
    "avx_vnni_int8", "bf16", "dot", "f16c", "fp16_arith", "i8mm", "neon", "sme", "sve", "sve2",
)  # fmt: skip
WARM = 3  # first answers, which also allocate


def measure_speed(
    predictors: Mapping[str, Predictor],
    feeds: Feeds,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, dict[str, float]]:
    """The median milliseconds of each bundle's graph for 1 and for 64 records, by name, keys `1` and `64`.

    Every round asks each of them once, and each round starts with another one: whatever else the machine does meets
    all alike.

    Args:
        predictors: by name, of one thread.
        feeds: encoded records (N, ...), the same for all; used again where there are fewer than 64.
        rounds: how many.
        clock: in seconds.
    """
    found: dict[str, dict[str, float]] = {name: {} for name in predictors}
    names = list(predictors)
    count = len(next(iter(feeds.values())))
    for batch in BATCHES:
        batches = {name: np.ascontiguousarray(values[np.arange(batch) % count]) for name, values in feeds.items()}
        spent: dict[str, list[float]] = {name: [] for name in names}
        for number in range(WARM + rounds):
            start = number % len(names)
            for name in (*names[start:], *names[:start]):
                before = clock()
                predictors[name].run(batches)
                spent[name].append(1000 * (clock() - before))
        for name, values in spent.items():
            found[name][str(batch)] = float(median(values[WARM:]))
    return found


def processor() -> dict[str, Any]:
    """The kind of processor and what of it speeds up small numbers; nothing that tells one machine from another.

    Examples:
        >>> sorted(processor())
        ['architecture', 'features']
    """
    import torch

    able = torch.cpu.get_capabilities()
    return {
        "architecture": str(able.get("architecture", platform.machine())),
        "features": sorted(name for name, there in able.items() if there is True),
    }


def told(features: Sequence[str]) -> str:
    """The features that int8 and float16 gain from, in words.

    Examples:
        >>> told(["avx2", "avx512_vnni", "fma3"])
        'avx2, avx512_vnni'
    """
    kept = [name for name in features if name in GAINING]
    return ", ".join(kept) or "none that int8 gains from"
