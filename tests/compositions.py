"""What Hydra composes is composed once: the tests ask for the same few configs hundreds of times, a tenth of a second
each. A changed, added or removed file under `configs/` is another composition."""

import copy
from pathlib import Path
from typing import Any

from lightloop.config import compose

Key = tuple[tuple[tuple[str, int, int], ...], tuple[str, ...]]


def keep() -> None:
    """Remember each composition by the files that it is made of and by its overrides. Faults are not remembered."""
    real, known = compose._compose, dict[Key, Any]()

    def remembered(configs: Path, overrides: list[str]) -> Any:
        overrides = [*_tracked(configs, overrides), *overrides]
        key = (_state(configs), tuple(overrides))
        if key not in known:
            known[key] = real(configs, overrides)
        return copy.deepcopy(known[key])

    compose._compose = remembered


def _tracked(configs: Path, overrides: list[str]) -> list[str]:
    """What turns tracking on in a project whose default it is not: its tests are of the whole of it all the same."""
    # of feature: wandb
    default = (configs / "config.yaml").read_text(encoding="utf-8") if (configs / "config.yaml").exists() else ""
    said = any(one.startswith("tracking=") for one in overrides)
    if "- tracking: none" in default and not said and (configs / "tracking/wandb.yaml").exists():
        return ["tracking=wandb"]
    # end
    return []


def _state(configs: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of every file; copies of the repository's configs keep their times."""
    found = ((path, path.stat()) for path in sorted(configs.rglob("*")) if path.is_file())
    return tuple((str(path.relative_to(configs)), stat.st_mtime_ns, stat.st_size) for path, stat in found)
