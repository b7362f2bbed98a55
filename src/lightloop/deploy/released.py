"""What is deployed: the release that stands in production, or a bundle by path, with the settings of the service."""

import os
import shutil
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from lightloop.config.serve import ServeConfig
from lightloop.errors import LightloopError, UsageError
from lightloop.files import replacing
from lightloop.project import Project
from lightloop.release.fetched import fetch_bundle
from lightloop.release.history import PRODUCTION, Release, production
from lightloop.release.repository import file_at
from lightloop.service.processes.state import Served
from lightloop.service.processes.supervisor import served_from
from lightloop.serving.manifest import verify_bundle

PREFIX = "LIGHTLOOP_SERVE_"
DEPLOY_ROOT = "LIGHTLOOP_DEPLOY_ROOT"
GROUP = "serve."


def folder_of(project: Project) -> Path:
    """Where deployed bundles and services of a project lie.

    LIGHTLOOP_DEPLOY_ROOT names another folder than the project's own: that of a workflow's job does not last.
    """
    root = os.environ.get(DEPLOY_ROOT)
    return Path(root).expanduser().absolute() if root else project.scratch / "service"


def production_release(project: Project) -> Release:
    """The release to deploy.

    Raises:
        UsageError: nothing stands in production, not a git repository, or a clone that may lack tags.
    """
    release = production(project)
    if release is None:
        raise UsageError(
            f"nothing stands in {PRODUCTION}: `lightloop register` and `lightloop promote` put a version there, "
            "or name a bundle with --bundle"
        )
    return release


def fetched(project: Project, release: Release) -> Served:
    """A release with its bundle on this machine; what was fetched before is verified, and fetched anew where damaged.

    Raises:
        LightloopError: the bundle can't be fetched, or is not the one that the gate judged.
    """
    bundles = folder_of(project) / "bundles"
    target = bundles / release.version
    digest = _digest_of(target)
    if digest is None or (release.digest is not None and digest != release.digest):
        with replacing(target) as temporary:
            digest = fetch_bundle(project, release, temporary)
    metrics = {name: one["value"] for name, one in release.metrics.items() if one.get("value") is not None}
    card = file_at(project.root, release.commit, project.relative(project.released_card))
    about = {"metrics": metrics or None, "card": card}
    return served_from(target, release.version, digest, {name: one for name, one in about.items() if one})


def kept(project: Project, versions: Sequence[str | None]) -> None:
    """Remove fetched bundles but those of these versions."""
    bundles = folder_of(project) / "bundles"
    for folder in bundles.iterdir() if bundles.exists() else ():
        if folder.name not in versions:
            shutil.rmtree(folder, ignore_errors=True)


def by_path(folder: Path, settings: ServeConfig | None = None) -> Served:
    """A bundle by path.

    Args:
        folder: of the bundle.
        settings: that may say which version it is, and which digest it must have; a container is built with both.

    Raises:
        UsageError: there is no folder.
        LightloopError: a file of it is changed, missing or extra, or it is another bundle than the settings say.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: give that of a bundle, such as artifacts/bundle")
    digest = verify_bundle(folder)
    if settings is not None and settings.digest not in (None, digest):
        raise LightloopError(
            f"{folder} has the digest {digest[:12]}, but serve.digest says {str(settings.digest)[:12]}: "
            "this is not the bundle that was to be served"
        )
    return served_from(folder, settings.version if settings else None, digest)


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


def _configured(project: Project) -> dict[str, Any]:
    """What `configs/` says, without the rest of the config: no data need be there to serve."""
    path = project.configs / "serve" / "default.yaml"
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{project.relative(path)} is not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict):
        raise UsageError(f"{project.relative(path)} holds {content!r}: expected settings, a line each")
    unknown = sorted(set(content) - set(ServeConfig.model_fields))
    if unknown:
        names = list(ServeConfig.model_fields)
        raise UsageError(f"{project.relative(path)}: {unknown[0]} is unknown{_near(unknown[0], names, '')}")
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


def _digest_of(folder: Path) -> str | None:
    try:
        return verify_bundle(folder) if folder.exists() else None
    except LightloopError:
        return None
