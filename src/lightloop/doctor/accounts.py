"""Weights & Biases: where runs go, and whether there is a key, which is never shown."""

import os
from collections.abc import Iterator

from lightloop.config.schema import Config
from lightloop.doctor.finding import Area, Finding
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.tracking.mode import KEY, tracking_mode

AREA = Area("tracking")
SERVER = "https://api.wandb.ai"
SECONDS = 10.0
# W&B refuses others; keys of 2026 are longer than the 40 digits of before.
SHORTEST = 40


def look_at_tracking(project: Project, config: Config, *, online: bool) -> Iterator[Finding]:
    """The mode, the key, and runs that were not sent."""
    try:
        mode = tracking_mode(config)
    except UsageError as error:
        yield AREA.broken("mode", str(error), "unset WANDB_MODE")
        return
    key = os.environ.get(KEY, "")
    if config.tracking.name == "none":
        yield AREA.ok("mode", "tracking=none: nothing is tracked")
        return
    if mode == "online" and not key:
        yield AREA.broken(
            "key",
            f"runs shall go online, but {KEY} is not set",
            f"export {KEY}=... (https://wandb.ai/authorize), or WANDB_MODE=offline",
        )
    elif key and len(key) < SHORTEST:
        yield AREA.broken(
            "key",
            f"{KEY} has {len(key)} characters, and a key at least {SHORTEST}",
            "copy it again from https://wandb.ai/authorize",
        )
    else:
        where = {"online": "go to W&B", "offline": "are kept in wandb/", "disabled": "are not tracked"}[mode]
        yield AREA.ok("mode", f"{mode}: runs {where}; the key is {'set' if key else 'not set'}")
    waiting = _waiting(project)
    if waiting and mode == "online":
        yield AREA.look("unsent", f"{waiting} runs were not sent to W&B", "lightloop sync")
    elif waiting:
        yield AREA.ok("unsent", f"{waiting} runs wait in wandb/; `lightloop sync` sends them, once there is a key")
    if online and mode == "online" and key:
        yield _server(key)


def _waiting(project: Project) -> int:
    if not (project.root / "wandb").is_dir():
        return 0
    from lightloop.tracking.sending import unsent

    return len(unsent(project))


def _server(key: str) -> Finding:
    """Whether the server answers and takes the key."""
    import httpx

    url = (os.environ.get("WANDB_BASE_URL") or SERVER).rstrip("/")
    try:
        done = httpx.post(f"{url}/graphql", json={"query": "{viewer{username}}"}, auth=("api", key), timeout=SECONDS)
        known = done.status_code == httpx.codes.OK and bool((done.json().get("data") or {}).get("viewer"))
    except (httpx.HTTPError, ValueError) as error:
        return AREA.broken(
            "server",
            f"{url} can't be reached ({type(error).__name__})",
            "WANDB_MODE=offline, and `lightloop sync` later",
        )
    if not known:
        return AREA.broken(
            "server", f"{url} does not take the key", f"copy it again from https://wandb.ai/authorize into {KEY}"
        )
    return AREA.ok("server", f"{url} takes the key")
