"""Opening and closing runs, so that W&B never asks, never hangs, and never learns about the machine."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lightloop.config.schema import Config, NoTracking, WandbTracking
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.tracking.mode import Mode, fingerprint, git_state, notice, reason, tracking_mode

if TYPE_CHECKING:
    from wandb import Run

# Seconds that the end of a run may wait for uploads. What is left is on disk, and `lightloop sync` sends it.
FINISH_TIMEOUT = 60.0
# Lies in the folder of a run that W&B does not have yet, and is locked while the run is written.
UNSENT = "unsent"
_locks: dict[str, IO[str]] = {}


def open_run(
    config: Config,
    project: Project,
    *,
    job: str,
    live: bool = True,
    group: str | None = None,
    run_id: str | None = None,
) -> "Run | None":
    """Start a run in W&B; its config is the whole config, the data version and the git commit.

    Args:
        config: of the run.
        project: where the run is written, below `wandb/`.
        job: what the run is about, such as `train` or `evidence`.
        live: send what is logged while it is logged; else it is only written, for `send_runs` to send it when it is
            whole. Logging numbers never waits for the server, but logging tables and artifacts live does, endlessly.
        group: that of a sweep; default: that of the model, `fingerprint(config, project)`.
        run_id: of a run that was interrupted, to go on in it.

    Returns:
        The run, to be ended with `close_run`; None when tracking is none or disabled. When the server does not answer
        within `tracking.init_timeout` seconds the run is offline, which one line on stderr says.

    Raises:
        UsageError: WANDB_MODE is no mode, online without a key, or a key that W&B does not take.
    """
    mode = tracking_mode(config)
    if isinstance(config.tracking, NoTracking) or mode == "disabled":
        return None
    prepare_environment(project)
    import wandb

    if mode == "offline" or not live:
        return _start(config, project, job, "offline", group, run_id=run_id)
    try:
        return _start(config, project, job, "online", group, run_id=run_id)
    except wandb.errors.AuthenticationError as error:
        raise UsageError(
            f"W&B does not take the key ({reason(str(error))}): correct WANDB_API_KEY, or say WANDB_MODE=offline"
        ) from None
    except wandb.errors.UsageError as error:
        raise UsageError(
            f"W&B cannot be online ({reason(str(error))}): set WANDB_API_KEY, or say WANDB_MODE=offline"
        ) from None
    except (wandb.Error, TimeoutError, OSError) as error:
        run = _start(config, project, job, "offline", group, run_id=run_id)
        notice(f"W&B is not reachable ({reason(str(getattr(error, 'reason', error)))}): {sync_later(run)}")
        return run


def close_run(run: "Run | None") -> None:
    """End a run that `open_run` gave; a server that does not take it in time costs a line on stderr, no more."""
    if run is None:
        return
    began = time.monotonic()
    run.finish()
    # W&B gives up without a word when it is silent.
    late = time.monotonic() - began >= FINISH_TIMEOUT
    lock = _locks.pop(run.id, None)
    if lock:
        if run.settings.mode != "offline" and not late:
            Path(lock.name).unlink(missing_ok=True)
        lock.close()
    if late:
        notice(f"W&B did not take everything within {FINISH_TIMEOUT:.0f} seconds: {sync_later(run)}")


def folder_of(run: "Run") -> Path:
    """Where a run is written."""
    return Path(run.dir).parent


def sync_later(run: "Run") -> str:
    """The end of a notice: how a run that is only on disk gets to W&B."""
    folder = folder_of(run).relative_to(run.settings.root_dir).as_posix()
    return f"`lightloop sync` sends {folder} later"


def prepare_environment(project: Project) -> None:
    """Set what W&B reads from the environment alone, before it is imported."""
    folder = project.root / "wandb"
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    # Silent also means that W&B raises where it would ask.
    os.environ["WANDB_SILENT"] = "true"
    # Files of artifacts wait in the data folder until they are sent: beside the run, they can travel with it.
    os.environ["WANDB_DATA_DIR"] = str(folder / "data")
    os.environ["WANDB_CACHE_DIR"] = str(folder / "cache")


def _start(
    config: Config, project: Project, job: str, mode: Mode, group: str | None = None, *, run_id: str | None = None
) -> "Run":
    import wandb

    assert isinstance(config.tracking, WandbTracking)
    group = group or fingerprint(config, project)
    settings: dict[str, Any] = {
        "init_timeout": float(config.tracking.init_timeout),
        "finish_timeout": FINISH_TIMEOUT,
        "program": "lightloop",
        "silent": True,
        "console": "off",
        "save_code": False,
        "disable_code": True,
        "disable_git": True,
        "disable_job_creation": True,
        "use_dot_wandb": False,
        # The machine is nobody's business: no host, user, command line, hardware or list of packages.
        "x_disable_meta": True,
        "x_disable_stats": True,
        "x_disable_machine_info": True,
        "x_save_requirements": False,
    }
    run = wandb.init(
        project=config.tracking.project,
        entity=config.tracking.entity,
        dir=project.root,
        group=group,
        name=f"{group}-{job}",
        job_type=job,
        config=config.model_dump(mode="json") | {"data_version": project.data_version()} | git_state(project),
        mode=mode,
        id=run_id,
        # Offline, parts of a run with one id become one when they are sent.
        resume="allow" if run_id and mode == "online" else None,
        reinit="create_new",
        settings=wandb.Settings(**settings),
    )
    # W&B itself does not tell a run that is being written from one whose program was killed.
    lock = (folder_of(run) / UNSENT).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _locks[run.id] = lock
    return run
