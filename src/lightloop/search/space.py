"""Search spaces: from `configs/sweep/NAME.yaml` to values of a trial, and from values to overrides."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml
from optuna.trial import Trial
from pydantic import ValidationError

from lightloop.config.compose import compose_config
from lightloop.config.sweeps import Choices, Dimension, Layers, Range, SweepConfig
from lightloop.errors import UsageError
from lightloop.project import Project

# Of the command line, these are about the search; all others are about what is trained.
OWN = ("sweep", "sampler", "pruner", "trials")


def split_words(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The words about the search, by key, and the overrides of the config.

    Raises:
        UsageError: a word about the search has no value.

    Examples:
        >>> split_words(["experiment=loans", "sampler=tpe", "trials=30"])
        ({'sampler': 'tpe', 'trials': 30}, ['experiment=loans'])
    """
    own: dict[str, Any] = {}
    rest: list[str] = []
    for word in words:
        key, separator, value = word.partition("=")
        if key.partition(".")[0] not in OWN:
            rest.append(word)
            continue
        if not separator or not value:
            raise UsageError(f"`{word}` is no value for the search: write key=value, such as trials=30")
        own[key] = yaml.safe_load(value)
    return own, rest


def read_sweep(project: Project, name: str, own: Mapping[str, Any]) -> SweepConfig:
    """`configs/sweep/NAME.yaml` with what the command line says about the search.

    Raises:
        UsageError: the file is missing, or it or the command line does not fit; in one sentence.
    """
    path = project.configs / "sweep" / f"{name}.yaml"
    if not path.exists():
        there = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none"
        raise UsageError(
            f"configs/sweep/{name}.yaml is missing (there: {there}): write what to search, or say sweep=NAME"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(f"configs/sweep/{name}.yaml is not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict):
        raise UsageError(f"configs/sweep/{name}.yaml holds no keys: it must give at least `space`")
    for key, value in sorted(own.items()):  # a group before its keys
        group, _, inner = key.partition(".")
        if group == "sweep":
            continue
        given = content.get(group, {"sampler": "tpe", "pruner": "median"}.get(group))
        if inner:
            content[group] = ({"name": given} if isinstance(given, str) else dict(given or {})) | {inner: value}
        else:
            content[group] = value
    if content.get("sampler") in ("nsga2", {"name": "nsga2"}) and "pruner" not in own:
        content["pruner"] = "none"
    try:
        return SweepConfig.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"configs/sweep/{name}.yaml: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    """The first finding in one sentence."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in _without_tags(first["loc"]))
    match first["type"]:
        case "value_error":
            return f"{key}: {first['ctx']['error']}" if key else str(first["ctx"]["error"])
        case "union_tag_invalid":
            return f"{key} is {first['ctx']['tag']!r}: valid names are {first['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return f"{key} must be a list of values, or low and high, or depth and width"
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            return f"{key} is unknown"
        case _:
            return f"{key} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _without_tags(location: Sequence[int | str]) -> Sequence[int | str]:
    """Pydantic puts which kind it is behind the name; a person's file has no such level."""
    place = 2 if location[:1] == ("space",) else 1 if location[:1] in (("sampler",), ("pruner",)) else len(location)
    return [*location[:place], *location[place + 1 :]]


def check_space(project: Project, overrides: Sequence[str], space: Mapping[str, Dimension]) -> None:
    """Compose the config with the ends of every range and each of every choice, so that no trial fails by a typo.

    Raises:
        UsageError: one of them does not compose; says which.
    """
    for key, dimension in space.items():
        for value in _samples(dimension):
            try:
                compose_config(project, [*overrides, as_override(key, value)])
            except UsageError as error:
                raise UsageError(f"space.{key} has {label(value)}, which does not fit: {error}") from None


def _samples(dimension: Dimension) -> list[Any]:
    match dimension:
        case Choices(choices=choices):
            return choices
        case Range(low=low, high=high):
            return [low, high]
        case Layers(depth=depth, width=width):
            return [[end] * int(depth.low) for end in (width.low, width.high)]


def suggest(trial: Trial, space: Mapping[str, Dimension]) -> dict[str, Any]:
    """The values of one trial, by key."""
    return {key: _value(trial, key, dimension) for key, dimension in space.items()}


def _value(trial: Trial, key: str, dimension: Dimension) -> Any:
    match dimension:
        case Choices(choices=choices):
            # Optuna takes plain values only; labels also read well in its importances.
            return {label(choice): choice for choice in choices}[
                trial.suggest_categorical(key, [label(choice) for choice in choices])
            ]
        case Range():
            return _number(trial, key, dimension)
        case Layers(depth=depth, width=width):
            return [_number(trial, f"{key}.width", width)] * int(_number(trial, f"{key}.depth", depth))


def _number(trial: Trial, key: str, given: Range) -> int | float:
    if given.whole:
        return trial.suggest_int(key, int(given.low), int(given.high), step=int(given.step or 1), log=given.log)
    return trial.suggest_float(key, float(given.low), float(given.high), step=given.step, log=given.log)


def grid(space: Mapping[str, Dimension]) -> dict[str, list[Any]]:
    """Every value of every parameter, for the grid sampler."""
    found: dict[str, list[Any]] = {}
    for key, dimension in space.items():
        match dimension:
            case Choices(choices=choices):
                found[key] = [label(choice) for choice in choices]
            case Range():
                found[key] = _points(dimension)
            case Layers(depth=depth, width=width):
                found |= {f"{key}.width": _points(width), f"{key}.depth": _points(depth)}
    return found


def _points(given: Range) -> list[Any]:
    step = given.step or 1
    count = int(np.floor((given.high - given.low) / step + 1e-9)) + 1
    return [given.low + number * step for number in range(count)]


def label(value: Any) -> str:
    """A value as people read it.

    Examples:
        >>> label([64, 32]), label("adamw"), label(None)
        ('[64, 32]', 'adamw', 'null')
    """
    return value if isinstance(value, str) else json.dumps(value)


def as_override(key: str, value: Any) -> str:
    """`key=value` in Hydra's words.

    Examples:
        >>> as_override("network.hidden", [64, 32]), as_override("optimizer.lr", 1e-05)
        ('network.hidden=[64,32]', 'optimizer.lr=1e-05')
    """
    return f"{key}={_hydra(value)}"


def _hydra(value: Any) -> str:
    match value:
        case list() | tuple():
            return "[" + ",".join(_hydra(part) for part in value) + "]"
        case dict():
            return "{" + ",".join(f"{name}:{_hydra(part)}" for name, part in value.items()) + "}"
        case str() if not value.replace("_", "").replace("-", "").isalnum():
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{quoted}"'
        case str():
            return value
        case _:
            return json.dumps(value)
