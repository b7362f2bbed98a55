"""Sending an alert by all channels; one that fails stops no other."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lightloop.config.alerts import Channel as Name
from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.files import write_json
from lightloop.monitoring.alerts.channel import Channel
from lightloop.monitoring.alerts.github import GitHubIssue
from lightloop.monitoring.alerts.mail import Mail
from lightloop.monitoring.alerts.message import Message, message_of, page_link
from lightloop.monitoring.alerts.wandb import WandbAlert
from lightloop.monitoring.alerts.webhook import Webhook
from lightloop.monitoring.findings import Monitoring
from lightloop.project import Project
from lightloop.tracking import tracking_mode

Done = Literal["sent", "updated", "well", "same", "off", "failed"]
WELL = "well"
NEEDS: dict[Name, tuple[str, ...]] = {
    "github": ("GITHUB_TOKEN", "GITHUB_REPOSITORY"),
    "webhook": ("LIGHTLOOP_ALERT_WEBHOOK",),
    "email": ("LIGHTLOOP_SMTP_HOST", "LIGHTLOOP_ALERT_EMAIL"),
    "wandb": ("WANDB_API_KEY",),
}


class Told(BaseModel):
    """What came of one channel.

    Attributes:
        channel: its name.
        done: `sent`; `updated`, what is told about was there already; `well`, told that all is well again; `same`,
            nothing new to tell; `off`, not set up; `failed`.
        sentence: for people.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: Name
    done: Done
    sentence: str


def send(
    project: Project,
    config: Config,
    monitoring: Monitoring,
    *,
    environ: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
) -> list[Told]:
    """Tell people, by each channel of `monitor.alerts` whose variables are set, what is to be done.

    The same findings are told once: GitHub's issue has a marker, for the others `.lightloop/monitoring/alerts.json`
    keeps what each was told last. When nothing is to be done any more, who was told of a fault is told that too.

    Args:
        project: of the model.
        config: of the project.
        monitoring: with at least one window.
        environ: default: that of this process.
        say: told what came of each channel, a sentence each.

    Returns:
        What came of each channel, in the order of the config.

    Raises:
        LightloopError: a channel failed; the others were told.
    """
    given = os.environ if environ is None else environ
    settings = config.monitor.alerts
    message = message_of(monitoring, page_link(settings.page, project.reports / "monitoring.html"))
    memory = _Memory(project.scratch / "monitoring" / "alerts.json")
    told = []
    for name in settings.channels:
        missing = [one for one in NEEDS[name] if not given.get(one)]
        if missing or (name == "wandb" and tracking_mode(config) != "online"):
            why = f"{' and '.join(missing)} not set" if missing else "tracking is not online"
            told.append(Told(channel=name, done="off", sentence=f"alert by {name}: off, {why}"))
            continue
        make = partial(_channel, name, project, config, monitoring.model, given)
        told.append(_tell(name, make, message, memory))
    for one in told:
        say(one.sentence)
    failed = [one.channel for one in told if one.done == "failed"]
    if failed:
        others = "; the other channels were told" if any(one.done not in ("failed", "off") for one in told) else ""
        raise LightloopError(f"no alert could be sent by {' and '.join(failed)}, as is said above{others}")
    return told


def _tell(name: Name, make: Callable[[], Channel], message: Message, memory: "_Memory") -> Told:
    last = memory.last(name)
    try:
        channel = make()
        new = WELL if message.well else message.fingerprint
        if not channel.remembers and new == (last or WELL):
            return Told(channel=name, done="same", sentence=f"alert by {name}: nothing new to tell")
        done = channel.tell(message)
        if not channel.remembers:
            memory.keep(name, new)
    except LightloopError as error:
        return Told(channel=name, done="failed", sentence=f"alert by {name} failed: {error}")
    words = {"sent": "sent", "updated": "updated", "well": "told that all is well again", None: "nothing new to tell"}
    return Told(channel=name, done=done or "same", sentence=f"alert by {name}: {words[done]}")


def _channel(channel: Name, project: Project, config: Config, model: str, given: Mapping[str, str]) -> Channel:
    settings = config.monitor.alerts
    match channel:
        case "github":
            return GitHubIssue(
                given["GITHUB_TOKEN"],
                given["GITHUB_REPOSITORY"],
                given.get("GITHUB_API_URL") or "https://api.github.com",
                model=model,
                label=settings.label,
                close=settings.close,
                seconds=settings.seconds,
            )
        case "webhook":
            return Webhook(given["LIGHTLOOP_ALERT_WEBHOOK"], settings.seconds)
        case "email":
            return Mail(given, settings.seconds)
        case "wandb":
            return WandbAlert(project, config)


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    told: dict[Name, str] = {}


class _Memory:
    """What channels that remember nothing were told last: a fingerprint, or that all is well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._state = _State.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            self._state = _State()

    def last(self, name: Name) -> str | None:
        return self._state.told.get(name)

    def keep(self, name: Name, told: str) -> None:
        self._state.told[name] = told
        write_json(self._path, self._state.model_dump())
