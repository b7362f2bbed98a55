"""Variables of the repository that workflows pass on. An empty one is one that is not set."""

import os
from pathlib import Path

from lightloop.deploy.released import DEPLOY_ROOT

TARGET = "DEPLOY_TARGET"
LOCAL = "local"
LOG = "LIGHTLOOP_LOG"
FEEDBACK = "LIGHTLOOP_FEEDBACK"


def target() -> str:
    """Where releases are deployed to."""
    return os.environ.get(TARGET) or LOCAL


def log() -> str | None:
    """The log of the service: a folder or `s3://...`; None stands for what the config says."""
    return os.environ.get(LOG) or _beside_the_service("log")


def feedback() -> str | None:
    """The labels that came later, likewise."""
    return os.environ.get(FEEDBACK) or _beside_the_service("feedback")


def service_settings() -> list[str]:
    """Overrides of `serve`, so that the service writes where monitoring reads."""
    return [
        f"{name}={value}"
        for name, value in (("serve.log.folder", os.environ.get(LOG)), ("serve.feedback", os.environ.get(FEEDBACK)))
        if value
    ]


def _beside_the_service(name: str) -> str | None:
    """What a local service writes by default, where it does not run in the project's own folder."""
    root = os.environ.get(DEPLOY_ROOT)
    return str(Path(root).absolute() / ".lightloop" / name) if root else None
