"""Runs in Weights & Biases: offline without an account, never a prompt, never a hang.

A run of the loop is two runs in W&B, in one group: `train` with the curves, `evidence` with what was found about the
model. Everything is written below `wandb/` of the project; `wandb sync wandb/offline-run-*` sends it later.
"""

import difflib
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from lightloop.config.schema import Config, NoTracking, WandbTracking
from lightloop.errors import UsageError
from lightloop.project import Project

if TYPE_CHECKING:
    from wandb import Run

Mode = Literal["online", "offline", "disabled"]
# Groups of the config that say how a model is judged or where it is logged, not what it becomes.
NOT_OF_THE_MODEL = {"tracking", "explain", "gate"}
# Seconds that the end of a run may wait for uploads. What is left is on disk, and `wandb sync` sends it.
FINISH_TIMEOUT = 60.0


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
        job: what the run is about, `train` or `evidence`; both have the group `fingerprint(config, project)`.
        live: send what is logged while it is logged; else it is only written, for `send_run` to send it when it is
            whole. Logging numbers never waits for the server, but logging tables and artifacts live does, endlessly.
        group: another one, such as that of a sweep.
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
    _prepare_environment(project)
    import wandb

    if mode == "offline" or not live:
        return _start(config, project, job, "offline", group, run_id=run_id)
    try:
        return _start(config, project, job, "online", group, run_id=run_id)
    except wandb.errors.AuthenticationError as error:
        raise UsageError(
            f"W&B does not take the key ({_reason(str(error))}): correct WANDB_API_KEY, or say WANDB_MODE=offline"
        ) from None
    except wandb.errors.UsageError as error:
        raise UsageError(
            f"W&B cannot be online ({_reason(str(error))}): set WANDB_API_KEY, or say WANDB_MODE=offline"
        ) from None
    except (wandb.Error, TimeoutError, OSError) as error:
        run = _start(config, project, job, "offline", group, run_id=run_id)
        reason = str(getattr(error, "reason", error))
        notice(f"W&B is not reachable ({_reason(reason)}): {_sync_later(run)}")
        return run


def close_run(run: "Run | None") -> None:
    """End a run that `open_run` gave; a server that does not take it in time costs a line on stderr, no more."""
    if run is None:
        return
    began = time.monotonic()
    run.finish()
    # W&B gives up without a word when it is silent.
    if time.monotonic() - began >= FINISH_TIMEOUT:
        notice(f"W&B did not take everything within {FINISH_TIMEOUT:.0f} seconds: {_sync_later(run)}")


def send_run(config: Config, run: "Run") -> None:
    """Send a closed run that is only on disk; what goes wrong costs a line on stderr and a bounded time.

    Args:
        config: of the run; without `online` in its mode nothing is sent.
        run: of `open_run(..., live=False)`, after `close_run`.
    """
    if isinstance(config.tracking, NoTracking) or tracking_mode(config) != "online":
        return
    import wandb

    # The end of the file is written a moment after the run was finished, unless W&B's service has ended.
    wandb.teardown()
    command = [sys.executable, "-m", "wandb", "sync", str(Path(run.dir).parent)]
    try:
        _probe(run.settings.base_url, config.tracking.init_timeout)
        subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=FINISH_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        notice(f"W&B did not take everything within {FINISH_TIMEOUT:.0f} seconds: {_sync_later(run)}")
    except subprocess.CalledProcessError as error:
        notice(f"W&B did not take the run ({_reason(error.stderr)}): {_sync_later(run)}")
    except OSError as error:
        reason = str(getattr(error, "reason", error))
        notice(f"W&B is not reachable ({_reason(reason)}): {_sync_later(run)}")


def _probe(url: str, timeout: float) -> None:
    """Raise OSError when nobody answers at `url`: `wandb sync` itself would try again and again, without a word."""
    try:
        urllib.request.urlopen(url, timeout=timeout).close()  # noqa: S310 # W&B's own address, http or https
    except urllib.error.HTTPError:
        return  # an answer


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
        return "online" if os.environ.get("WANDB_API_KEY") else "offline"
    near = difflib.get_close_matches(asked, get_args(Mode), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise UsageError(f"WANDB_MODE is {asked!r}{hint}: it must be online, offline or disabled")


def fingerprint(config: Config, project: Project) -> str:
    """The name that the same model has in every process: the config's name and 8 hexadecimal digits.

    The digits are of the SHA-256 over the data version and all of the config that training depends on: another gate
    or explanation of the same model keeps the name.
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
    """Tell a person, in one line, what tracking could not do; the run itself goes on."""
    print(line, file=sys.stderr, flush=True)


def _git(project: Project, *words: str) -> str | None:
    command = ["git", "-C", str(project.root), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _prepare_environment(project: Project) -> None:
    """Set what W&B reads from the environment alone, before it is imported."""
    folder = project.root / "wandb"
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    # Silent also means that W&B raises where it would ask.
    os.environ["WANDB_SILENT"] = "true"
    # Files of artifacts wait in the data folder until `wandb sync`: beside the run, they can travel with it.
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
    return wandb.init(
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


def _sync_later(run: "Run") -> str:
    folder = Path(run.dir).parent
    return f"send this run later with `wandb sync {folder.relative_to(run.settings.root_dir).as_posix()}`"


def _reason(message: str) -> str:
    """The last line of what W&B said, without the key and W&B's mark."""
    line = next(iter(message.strip().splitlines()[-1:]), "no reason given")
    key = os.environ.get("WANDB_API_KEY")
    return (line.replace(key, "***") if key else line).removeprefix("wandb: ").removeprefix("ERROR ").rstrip(".: ")
