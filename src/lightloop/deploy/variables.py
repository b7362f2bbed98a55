"""Settings of the service as environment variables: a container has no project to read a config from."""

from typing import Any, Final

from pydantic import BaseModel

from lightloop.config.serve import ServeConfig
from lightloop.service.processes.state import Served
from lightloop.service.settings import PREFIX
from lightloop.serving.logged import KEY

# What a container listens on is the container's own affair, and the others are no settings of a service in one.
OWN: Final = ("host", "port", "workers", "follow", "keys", "public_key", "version", "digest", "name", "cluster")
KEYS_AT: Final = "/run/secrets/keys.json"
# The key of hashed columns of the log: a secret, which is handed on by name and stands in no file.
LOG_KEY: Final = KEY


def variables(settings: ServeConfig, served: Served) -> dict[str, str]:
    """What a container is told: settings that differ from the defaults; version and digest of the bundle in it.

    Args:
        settings: of the service.
        served: the bundle.

    Examples:
        >>> served = Served(folder="/tmp/bundle", version=None, digest="ab")
        >>> variables(ServeConfig(queue=8, port=80), served)
        {'LIGHTLOOP_SERVE_QUEUE': '8', 'LIGHTLOOP_SERVE_WORKERS': '1', 'LIGHTLOOP_SERVE_DIGEST': 'ab'}
    """
    found = {f"{PREFIX}{name}": text for name, text in _changed(settings, ServeConfig(), OWN).items()}
    # A worker for each whole processor: more containers, not more workers in one, carry more.
    found[f"{PREFIX}WORKERS"] = str(max(1, int(settings.cluster.cpu)))
    if settings.keys is not None:
        found[f"{PREFIX}KEYS"] = KEYS_AT
    if served.version is not None:
        found[f"{PREFIX}VERSION"] = served.version
    return found | {f"{PREFIX}DIGEST": served.digest}


def _changed(settings: BaseModel, usual: BaseModel, without: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in type(settings).model_fields:
        value, default = getattr(settings, name), getattr(usual, name)
        if name in without or value == default:
            continue
        if isinstance(value, BaseModel):
            found |= {f"{name.upper()}_{inner}": text for inner, text in _changed(value, default, ()).items()}
        else:
            found[name.upper()] = _text(value)
    return found


def _text(value: Any) -> str:
    """As `service.settings.settings_of` reads it again."""
    match value:
        case bool():
            return str(value).lower()
        case None:
            return "null"
        case tuple():
            return ",".join(value)
        case _:
            return str(value)
