"""The loop: the config, runs that are going on or were killed, and what they left behind."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.doctor.finding import Area, Finding
from lightloop.errors import UsageError
from lightloop.project import Project

AREA = Area("loop")
# Where `files.replacing` leaves a folder when its process is killed: beside what it was to replace.
ROOMS = ("artifacts", "reports", "configs", "data", ".lightloop")
LEFT = re.compile(r"\..+\.(\d+)-[A-Za-z0-9_]+")


def composed(project: Project) -> tuple[Config | None, Finding]:
    """The config of the next run, and whether it composes."""
    try:
        config = compose_config(project)
    except UsageError as error:
        return None, AREA.broken("config", str(error), "lightloop config")
    return config, AREA.ok(
        "config", f"configs/ composes: {config.name}, data={config.data.name}, network={config.network.name}"
    )


def look_at_loop(project: Project) -> Iterator[Finding]:
    """Runs that are going on, stale locks, and temporary files of killed processes."""
    if not project.params.exists():
        yield AREA.broken("params", "params.yaml is missing, without which DVC can't read dvc.yaml", "lightloop run")
    yield from _locks(project)
    yield _leftovers(project)
    if list(project.scratch.glob("training/*/last.ckpt")):
        yield AREA.look("training", "a training was interrupted", "`lightloop run` goes on where it was")


def _locks(project: Project) -> Iterator[Finding]:
    path = project.root / ".dvc" / "tmp" / "rwlock"
    try:
        content = json.loads(path.read_text(encoding="utf-8") or "{}")
        holders = [
            one for kind in ("read", "write") for held in content.get(kind, {}).values() for one in _listed(held)
        ]
    except FileNotFoundError:
        yield AREA.ok("runs", "nothing is running")
        return
    except (ValueError, AttributeError):
        yield AREA.broken("runs", ".dvc/tmp/rwlock is damaged: DVC will not start", "rm .dvc/tmp/rwlock")
        return
    alive = {int(one["pid"]): str(one["cmd"]) for one in holders if psutil.pid_exists(int(one["pid"]))}
    if alive:
        pid, command = next(iter(alive.items()))
        yield AREA.look(
            "runs",
            f"process {pid} works here ({command}): another run would have to wait",
            f"wait, or end it: kill {pid}",
        )
    elif holders:
        yield AREA.look(
            "runs",
            f"a killed process left {len(holders)} entries in .dvc/tmp/rwlock",
            "the next run removes them; else rm .dvc/tmp/rwlock",
        )
    else:
        yield AREA.ok("runs", "nothing is running")


def _listed(held: Any) -> list[dict[str, Any]]:
    return held if isinstance(held, list) else [held] if isinstance(held, dict) and held else []


def _leftovers(project: Project) -> Finding:
    found = [
        path
        for path in _temporary(project.root)
        if not psutil.pid_exists(int(path.name.rpartition(".")[2].split("-")[0]))
    ]
    if found:
        names = " ".join(project.relative(path) for path in sorted(found)[:3])
        return AREA.look(
            "leftovers",
            f"killed processes left {len(found)} temporary folders",
            f"rm -r {names}{' ...' if len(found) > 3 else ''}",
        )
    return AREA.ok("leftovers", "no temporary files of killed processes")


def _temporary(root: Path) -> Iterator[Path]:
    """Folders that look as if `files.replacing` had made them."""
    for room in ROOMS:
        # Not deep: outputs are folders of the second level, and each is replaced as a whole.
        for pattern in (".*", "*/.*", "*/*/.*"):
            yield from (path for path in (root / room).glob(pattern) if LEFT.fullmatch(path.name) and path.is_dir())
