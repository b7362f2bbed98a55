"""The settings of the service: the config, over it variables of the environment, over them what is typed."""

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from lightloop.config.serve import ServeConfig
from lightloop.errors import UsageError
from lightloop.project import Project

PREFIX: Final = "LIGHTLOOP_SERVE_"
GROUP: Final = "serve."


def settings_of(
    project: Project | None, overrides: Sequence[str], environ: Mapping[str, str] | None = None
) -> ServeConfig:
    """The settings of the service: the config, over it LIGHTLOOP_SERVE_... variables, over them the overrides.

    Args:
        project: whose config, or None for the defaults.
        overrides: as typed, of `serve` alone: `serve.port=8080`.
        environ: default: that of this process.

    Raises:
        UsageError: an unknown name, with the nearest valid one, or a value that does not fit.

    Examples:
        >>> settings_of(None, ["serve.workers=1"], {"LIGHTLOOP_SERVE_CANARY_SHARE": "0.5"}).canary.share
        0.5
    """
    values: dict[str, Any] = {}
    names = _settings(ServeConfig)
    for key, text in (os.environ if environ is None else environ).items():
        if key.startswith(PREFIX):
            known = {name.replace(".", "_").upper(): name for name in names}
            rest = key.removeprefix(PREFIX)
            if rest not in known:
                raise UsageError(f"{key} is unknown{_near(rest, list(known), PREFIX)}")
            _put(values, known[rest], _value(names[known[rest]], text, key))
    for typed in overrides:
        name, separator, text = typed.partition("=")
        if not separator or not name.startswith(GROUP):
            raise UsageError(f"`{typed}` is no setting of the service: write such as serve.port=8080")
        if name.removeprefix(GROUP) not in names:
            raise UsageError(f"{name} is unknown{_near(name.removeprefix(GROUP), list(names), GROUP)}")
        _put(values, name.removeprefix(GROUP), _value(names[name.removeprefix(GROUP)], text, typed))
    base = _configured(project) if project else {}
    try:
        return ServeConfig.model_validate(_merged(base, values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"serve.{place} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def written(project: Project, group: str) -> dict[str, Any]:
    """What `configs/GROUP/default.yaml` says, without the rest of the config: no data need be there to serve.

    Raises:
        UsageError: it is no YAML, or holds no settings.
    """
    path = project.configs / group / "default.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.exists() else {}
    except yaml.YAMLError as error:
        raise UsageError(f"{project.relative(path)} is not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict):
        raise UsageError(f"{project.relative(path)} holds {content!r}: expected settings, a line each")
    return content


def _configured(project: Project) -> dict[str, Any]:
    content = written(project, "serve")
    unknown = sorted(set(content) - set(ServeConfig.model_fields))
    if unknown:
        near = _near(unknown[0], list(ServeConfig.model_fields), "")
        raise UsageError(f"configs/serve/default.yaml: {unknown[0]} is unknown{near}")
    return content


def _settings(model: type[BaseModel]) -> dict[str, Any]:
    """The type of each setting by its dotted name."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= {f"{name}.{below}": kind for below, kind in _settings(inner).items()}
        else:
            found[name] = inner
    return found


def _value(kind: Any, text: str, typed: str) -> Any:
    """What a text says for a setting of a type: a text stays as it is, also one of digits alone."""
    if get_origin(kind) is not tuple and str in (kind, *get_args(kind)):
        return None if text == "null" else text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"`{typed}` is not a value that YAML can read: put it in quotes") from None
    return value.split(",") if isinstance(value, str) and get_origin(kind) is tuple else value


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    *above, last = name.split(".")
    for part in above:
        values = values.setdefault(part, {})
    values[last] = value


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    return base | {
        key: _merged(base.get(key) or {}, value) if isinstance(value, dict) else value for key, value in over.items()
    }


def _near(name: str, valid: list[str], prefix: str) -> str:
    close = get_close_matches(name, valid, n=1, cutoff=0.5)
    return f": did you mean {prefix}{close[0]}?" if close else f": known are {', '.join(prefix + one for one in valid)}"
