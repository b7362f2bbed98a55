"""Files outside of the data set that a config names and a training reads: pretrained weights, code of a custom loss.

Their digests are part of the config, so that another content is another run: DVC sees it in params.yaml, and so do the
names of interrupted trainings and of sweeps.
"""

import hashlib
from functools import cache
from pathlib import Path

from lightloop.config.losses import Custom
from lightloop.config.schema import Config
from lightloop.errors import UsageError

# Settings of networks that name a file, and what they say where they do not.
SETTINGS: dict[str, tuple[str, ...]] = {"weights": (), "pretrained": ("none", "hub")}


def digest_files(config: Config, root: Path) -> dict[str, str]:
    """The SHA-256 of each file by the path that the config gives it.

    Args:
        config: of the run; read are `network` and `loss`.
        root: the project's folder, to which paths are relative.

    Raises:
        UsageError: a file of weights is not there.
    """
    found: dict[str, str] = {}
    for setting, no_file in SETTINGS.items():
        path: str | None = getattr(config.network, setting, None)
        if path is None or path in no_file:
            continue
        if not (root / path).is_file():
            raise UsageError(
                f"network.{setting}={path} is no file: give a .safetensors or .pth file, relative to the project"
            )
        found[path] = _digest(root / path)
    if isinstance(config.loss, Custom):
        # Code of the project itself; that of installed packages changes with them, and with `uv.lock`.
        module = config.loss.target.partition(":")[0].replace(".", "/")
        for path in (f"{module}.py", f"{module}/__init__.py"):
            if (root / path).is_file():
                found[path] = _digest(root / path)
    return found


def _digest(path: Path) -> str:
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns)


@cache
def _digest_of(path: Path, *_state: int) -> str:
    """Weights may be large, and a sweep composes its config for each trial."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
