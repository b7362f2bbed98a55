"""Processor, memory, disk, accelerator and clock."""

import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from lightloop.doctor.finding import Area, Finding
from lightloop.project import Project
from lightloop.release.repository import git_or_none

AREA = Area("machine")
GB = 1e9
# What the whole loop on the demo data needs at once, and with what it is comfortable.
LEAST_MEMORY, ENOUGH_MEMORY = 1.5, 4.0
# The environment is 7.6 GB; a run leaves some hundred MB.
LEAST_DISK, ENOUGH_DISK = 0.5, 5.0
DAY = 86_400
# int8 bundles are quick by the first of each pair, float32 kernels by the second.
SETS = {"x86_64": ("avx512_vnni", "avx_vnni", "avx2"), "aarch64": ("asimddp", "i8mm", "asimd")}
NVIDIA = Path("/proc/driver/nvidia/version")


def look_at_machine(project: Project | None) -> Iterator[Finding]:
    """Cores, memory, disk, instruction sets, accelerator, clock."""
    yield _cores()
    yield _memory(psutil.virtual_memory().total / GB, psutil.virtual_memory().available / GB)
    folder = project.root if project else Path.cwd()
    yield disk_of(folder, shutil.disk_usage(folder).free / GB)
    yield _instructions(_flags())
    yield accelerator(_has_nvidia(), _torch())
    if project:
        yield from _clock(project, time.time())


def _cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = f"; load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    said = f"{usable} cores, {platform.machine()}, {platform.system()} {platform.release()}{load}"
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > usable:
        return AREA.look(
            "cores",
            f"{said}, but OMP_NUM_THREADS is {threads}: they would wait for each other",
            "unset OMP_NUM_THREADS",
        )
    return AREA.ok("cores", said)


def _memory(total: float, available: float) -> Finding:
    said = f"{available:.1f} of {total:.1f} GB of memory are free"
    if available < LEAST_MEMORY:
        return AREA.broken(
            "memory", f"{said}: stages may be killed", "close programs, or take a smaller trainer.batch_size"
        )
    if available < ENOUGH_MEMORY:
        return AREA.look("memory", said, "if a stage is killed: trainer.batch_size=32, audit=none")
    return AREA.ok("memory", said)


def disk_of(folder: Path, free: float) -> Finding:
    """The space that is free where the project lies, in GB."""
    said = f"{free:.1f} GB are free at {folder}"
    if free < LEAST_DISK:
        return AREA.broken(
            "disk",
            f"{said}: a run would stop in the middle",
            "free some space; `dvc gc --workspace --all-tags` removes what no release needs",
        )
    if free < ENOUGH_DISK:
        return AREA.look("disk", said, "`dvc gc --workspace --all-tags` removes what no release needs")
    return AREA.ok("disk", said)


def _flags() -> set[str]:
    """The instruction sets that the processor names; empty where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    lines = [line for line in text.splitlines() if line.startswith(("flags", "Features"))]
    return set(lines[0].partition(":")[2].split()) if lines else set()


def _instructions(flags: set[str]) -> Finding:
    wanted = SETS.get(platform.machine(), ())
    found = [name for name in wanted if name in flags]
    if not flags or not wanted:
        return AREA.ok("instructions", "the system does not say which instruction sets there are")
    if not found:
        return AREA.look(
            "instructions",
            f"none of {', '.join(wanted)}: training and serving are slow",
            "take another machine for larger models",
        )
    quick = found[0] in wanted[:-1]
    return AREA.ok(
        "instructions", f"{', '.join(found)}" + ("" if quick else ": int8 bundles are small, and hardly quicker")
    )


def _has_nvidia() -> bool:
    return NVIDIA.exists() or shutil.which("nvidia-smi") is not None


def _torch() -> str | None:
    try:
        return version("torch")
    except PackageNotFoundError:
        return None


def accelerator(nvidia: bool, torch: str | None) -> Finding:
    """Whether the build of torch fits the machine; torch is not imported.

    Examples:
        >>> accelerator(True, "2.15.0+cpu").state, accelerator(False, "2.15.0+cpu").state
        ('look', 'ok')
    """
    if torch is None:
        return AREA.broken("accelerator", "torch is not installed", "make environment")
    _, _, build = torch.partition("+")
    name = "the CPU build" if build == "cpu" else f"the build for {build}" if build else "the usual build"
    if nvidia and build == "cpu":
        return AREA.look(
            "accelerator",
            f"there is an NVIDIA GPU, but torch {torch} does not use it",
            "rm -r .venv && make environment",
        )
    if nvidia:
        return AREA.ok("accelerator", f"an NVIDIA GPU, and {name} of torch {torch}")
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return AREA.ok("accelerator", f"{'an Apple GPU' if apple else 'no GPU'}; {name} of torch {torch}")


def _clock(project: Project, now: float) -> Iterator[Finding]:
    newest = git_or_none(project.root, "log", "-1", "--all", "--format=%ct")
    said = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now))
    if newest and newest.strip() and float(newest) > now + DAY:
        yield AREA.broken(
            "clock",
            f"it is {said} here, but the newest commit is {(float(newest) - now) / DAY:.0f} days later",
            "set the clock (`timedatectl set-ntp true`): the registry's order is that of times",
        )
    else:
        yield AREA.ok("clock", said)
