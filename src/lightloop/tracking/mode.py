"""Where runs go and what they are called, without W&B: cheap to import, so that a wrong mode is found at once."""

import difflib
import hashlib
import json
import os
import subprocess
import sys
from typing import Literal, get_args

from lightloop.config.schema import AFTER_TRAINING, Config, NoTracking
from lightloop.errors import UsageError
from lightloop.project import Project

Mode = Literal["online", "offline", "disabled"]
KEY = "WANDB_API_KEY"
# Groups of the config that say how a model is judged or where it is logged, not what it becomes.
NOT_OF_THE_MODEL = {
    "tracking",
    "explain",
    "gate",
    "audit",
    "calibration",
    "decision",
    "uncertainty",
    *AFTER_TRAINING,
}


def tracking_mode(config: Config) -> Mode:
    """Where runs go: what WANDB_MODE says, else the config, else online exactly when WANDB_API_KEY is set.

    Imports nothing of W&B, so that a wrong mode can be found before a run starts.

    Raises:
        UsageError: WANDB_MODE is none of online, offline and disabled.
    """
    if isinstance(config.tracking, NoTracking):
        return "disabled"
    asked = os.environ.get("WANDB_MODE") or config.tracking.mode
    for mode in get_args(Mode):
        if asked == mode:
            return mode
    if asked == "auto":
        return "online" if os.environ.get(KEY) else "offline"
    near = difflib.get_close_matches(asked, get_args(Mode), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise UsageError(f"WANDB_MODE is {asked!r}{hint}: it must be online, offline or disabled")


def fingerprint(config: Config, project: Project) -> str:
    """The name that the same model has in every process: the config's name and 8 hexadecimal digits.

    The digits are of the SHA-256 over the data version and all of the config that training depends on: another gate,
    audit, calibration or explanation of the same model keeps the name.
    """
    content = [config.model_dump(mode="json", exclude=NOT_OF_THE_MODEL), project.data_version()]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{config.name}-{digest[:8]}"


def git_state(project: Project) -> dict[str, str | bool | None]:
    """`git_commit` and whether the tree differs from it (`git_dirty`); both None outside of a repository."""
    commit = _git(project, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return {"git_commit": None, "git_dirty": None}
    return {"git_commit": commit, "git_dirty": bool(_git(project, "status", "--porcelain"))}


def notice(line: str) -> None:
    """Tell a person, in one line without the key, what tracking could not do; the run itself goes on."""
    print(_without_key(line), file=sys.stderr, flush=True)


def reason(message: str) -> str:
    """The last line of what W&B said, without the key and W&B's mark."""
    line = next(iter(message.strip().splitlines()[-1:]), "no reason given")
    return _without_key(line).removeprefix("wandb: ").removeprefix("ERROR ").rstrip(".: ")


def _without_key(line: str) -> str:
    key = os.environ.get(KEY)
    return line.replace(key, "***") if key else line


def _git(project: Project, *words: str) -> str | None:
    command = ["git", "-C", str(project.root), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
