"""Sending runs that are only on disk: at the end of the loop in a bounded time, or later by `lightloop sync`."""

import fcntl
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightloop.config.schema import Config, NoTracking
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.tracking import runs as running
from lightloop.tracking.mode import KEY, notice, reason, tracking_mode
from lightloop.tracking.runs import UNSENT, folder_of, prepare_environment, sync_later

if TYPE_CHECKING:
    from wandb import Run

# Seconds for one run, when a person waits for it.
SYNC_TIMEOUT = 600.0
HEADER = 7  # bytes of a .wandb file that holds nothing


@dataclass(frozen=True)
class Sent:
    """What became of a run's folder; `failure` is None where W&B has it all, `late` says that it was the time."""

    folder: Path
    failure: str | None
    late: bool = False


def send_runs(config: Config, *runs: "Run", together: bool = False) -> bool:
    """Send closed runs that are only on disk; what goes wrong costs a line on stderr and a bounded time.

    Args:
        config: of the runs; without `online` in its mode nothing is sent.
        runs: of `open_run(..., live=False)`, after `close_run`.
        together: at once; else one after the other, as must be where one uses what another logs.

    Returns:
        Whether W&B has them all now.
    """
    if isinstance(config.tracking, NoTracking) or tracking_mode(config) != "online" or not runs:
        return False
    import wandb

    # The end of the file is written a moment after the run was finished, unless W&B's service has ended.
    wandb.teardown()
    url, last = runs[0].settings.base_url, runs[-1]
    try:
        reach(url, config.tracking.init_timeout)
    except OSError as error:
        notice(f"W&B is not reachable ({reason(str(getattr(error, 'reason', error)))}): {sync_later(last)}")
        return False
    folders = [folder_of(run) for run in runs]
    end = time.monotonic() + running.FINISH_TIMEOUT
    for batch in [folders] if together else [[folder] for folder in folders]:
        failed = [one for one in _send(batch, max(0.1, end - time.monotonic())) if one.failure]
        if failed:
            within = f"within {running.FINISH_TIMEOUT:.0f} seconds"
            notice(f"W&B did not take everything {within if failed[0].late else failed[0].failure}: {sync_later(last)}")
            return False
    return True


def sync_runs(project: Project, config: Config) -> tuple[list[Sent], list[Path]]:
    """Send every run below `wandb/` that W&B does not have yet, the oldest first, each on its own.

    A run that was sent is marked, so that a second call does nothing; one that failed stays as it is.

    Returns:
        What became of each run; and the folders of runs that are still being written, which were left alone.

    Raises:
        UsageError: tracking is none, or no key is set.
        LightloopError: the server is not reachable. Nothing was sent.
    """
    if isinstance(config.tracking, NoTracking):
        raise UsageError("tracking is none in params.yaml: run with tracking=wandb, then there is something to send")
    folders = unsent(project)
    open_folders = [folder for folder in folders if _is_open(folder)]
    waiting = [folder for folder in folders if folder not in open_folders]
    if not waiting:
        return [], open_folders
    require_server(project, config)
    return [one for folder in waiting for one in _send([folder], SYNC_TIMEOUT)], open_folders


def require_server(project: Project, config: Config) -> None:
    """Check key and server before anything is sent, and prepare the environment for W&B.

    Raises:
        UsageError: no key is set, or tracking is none.
        LightloopError: the server is not reachable.
    """
    if isinstance(config.tracking, NoTracking):
        raise UsageError("tracking is none in params.yaml, so that W&B is not used: run with tracking=wandb")
    if not os.environ.get(KEY):
        raise UsageError(f"W&B wants a key: set {KEY} (https://wandb.ai/authorize)")
    prepare_environment(project)
    url = os.environ.get("WANDB_BASE_URL") or _default_url()
    try:
        reach(url, config.tracking.init_timeout)
    except (OSError, ValueError) as error:
        why = reason(str(getattr(error, "reason", error)))
        raise LightloopError(f"W&B is not reachable at {url} ({why}): nothing was sent, try again later") from None


def _default_url() -> str:
    import wandb

    return str(wandb.setup().settings.base_url)


def unsent(project: Project) -> list[Path]:
    """Folders of runs that W&B does not have, the oldest first."""
    folders = sorted(
        (project.root / "wandb").glob("*run-*/*.wandb"), key=lambda file: file.parent.name.partition("run-")[2]
    )
    return [
        file.parent
        for file in folders
        # A program that was killed in its first moments leaves a header alone.
        if file.stat().st_size > HEADER
        and not file.with_suffix(".wandb.synced").exists()
        and (file.parent.name.startswith("offline-") or (file.parent / UNSENT).exists())
    ]


def reach(url: str, timeout: float) -> None:
    """Raise OSError when nobody answers at `url`: `wandb sync` itself would try again and again, without a word."""
    try:
        urllib.request.urlopen(url, timeout=timeout).close()  # noqa: S310 # W&B's own address, http or https
    except urllib.error.HTTPError:
        return  # an answer


def _send(folders: Sequence[Path], timeout: float) -> list[Sent]:
    """Run `wandb sync` on folders; its mark says what was taken."""
    command = [sys.executable, "-m", "wandb", "sync", *map(str, folders)]
    # What the environment says is for runs; here a person or the config has said to send.
    # The runs hold nothing of the machine; the program that sends them would add its own host and command line.
    environment = os.environ | {
        "WANDB_MODE": "online",
        "WANDB_SILENT": "false",
        "WANDB_HOST": "lightloop",
        "WANDB_PROGRAM": "lightloop",
        "WANDB_X_DISABLE_MACHINE_INFO": "true",
    }
    failure, late = "(it did not say why)", False
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        said = done.stderr.strip() or done.stdout.strip()
        if said:
            failure = f"({reason(said)})"
    except subprocess.TimeoutExpired:
        failure, late = f"within {timeout:.0f} seconds", True
    sent = []
    for folder in folders:
        taken = all(file.with_suffix(".wandb.synced").exists() for file in folder.glob("*.wandb"))
        if taken:
            (folder / UNSENT).unlink(missing_ok=True)
        sent.append(Sent(folder, None if taken else failure, late and not taken))
    return sent


def _is_open(folder: Path) -> bool:
    """Whether some process is still writing the run."""
    try:
        with (folder / UNSENT).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
