"""Everything that a config can name, read from the schema itself: what `lightloop list` prints and the docs page holds.

There is no second list: a component that the schema knows is in the catalogue.
"""

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lightloop.config.metrics import METRICS
from lightloop.config.schema import Config
from lightloop.config.signature import components
from lightloop.errors import UsageError

PLURALS = {
    "average": "averages",
    "ensemble": "ensembles",
    "loss": "losses",
    "metric": "metrics",
    "network": "networks",
    "optimizer": "optimizers",
    "scheduler": "schedulers",
    "task": "tasks",
}
ROOMS = {"network": "networks", "task": "tasks"}


@dataclass(frozen=True)
class Entry:
    """One thing that a config can name.

    Attributes:
        name: as it is written: `GROUP=NAME` where `configs/GROUP/NAME.yaml` exists, else `GROUP.name`.
        summary: what it is, in a sentence.
        options: its settings, by name: the values that they can take, and the default where there is one.
        traits: what it is for, such as the modalities of a network.
        files: names of the YAML files of `configs/GROUP/` that choose it.
    """

    name: str
    summary: str
    options: dict[str, str]
    traits: dict[str, Any]
    files: tuple[str, ...] = ()


def catalogue(configs: Path) -> dict[str, list[Entry]]:
    """All entries by group, in the order of the config.

    Args:
        configs: the project's `configs/`, whose YAML files are named beside the entries.
    """
    found: dict[str, list[Entry]] = {}
    for group, field in Config.model_fields.items():
        if group in ROOMS:
            found[group] = [_component(configs, group, name) for name in components(ROOMS[group])]
        elif models := _models(field.annotation):
            found[group] = [_entry(configs, group, model, name) for model in models for name in _names(group, model)]
    found["metric"] = [
        Entry(name, metric.meaning, {}, {"direction": metric.direction, "unit": metric.unit})
        for name, metric in METRICS.items()
    ]
    return found


def plural(group: str) -> str:
    """A group's name for many, where there is one.

    Examples:
        >>> plural("loss"), plural("preprocess")
        ('losses', 'preprocess')
    """
    return PLURALS.get(group, group)


def group_named(typed: str, groups: list[str]) -> str:
    """The group that a person means: its name or its plural.

    Raises:
        UsageError: there is none.

    Examples:
        >>> group_named("losses", ["network", "loss"])
        'loss'
    """
    names = {name: group for group in groups for name in (group, plural(group))}
    if typed not in names:
        near = get_close_matches(typed, names, n=1)
        hint = f": did you mean {near[0]!r}?" if near else "."
        raise UsageError(
            f"there are no {typed!r} to list{hint} There are {', '.join(plural(group) for group in groups)}"
        )
    return names[typed]


def print_catalogue(found: dict[str, list[Entry]], group: str | None) -> None:
    """Print the names of every group, or one group with its settings.

    Raises:
        UsageError: there is no such group.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if group is None:
        table = Table("group", "names", box=SIMPLE_HEAD)
        for name, entries in found.items():
            table.add_row(plural(name), ", ".join(entry.name for entry in entries))
    else:
        chosen = group_named(group, list(found))
        table = Table("name", "what", "settings", "configs", box=SIMPLE_HEAD, show_lines=True)
        for entry in found[chosen]:
            about = "; ".join(
                [entry.summary, *(f"{key.replace('_', ' ')}: {_words(value)}" for key, value in entry.traits.items())]
            )
            settings = "\n".join(f"{name}: {value}" for name, value in entry.options.items())
            # Text, since a bracket would be read as markup.
            table.add_row(
                entry.name, Text(about), Text(settings), "\n".join(f"{chosen}={file}" for file in entry.files)
            )
    Console().print(table)


def to_markdown(found: dict[str, list[Entry]]) -> str:
    """The whole catalogue as one page."""
    lines = [
        "# What a config can name",
        "",
        "Generated from the schema by `lightloop list --markdown`; a test keeps it up to date.",
        "`lightloop list GROUP` prints one group, `lightloop run GROUP=NAME` chooses,",
        "`lightloop run GROUP.SETTING=VALUE` sets.",
        "",
    ]
    for group, entries in found.items():
        lines += [f"## {plural(group)}", ""]
        for entry in entries:
            files = [f"`{group}={file}`" for file in entry.files]
            lines += [f"### {entry.name}", "", " ".join([entry.summary, *files]), ""]
            rows = [*entry.traits.items(), *entry.options.items()]
            lines += [
                f"- {name.replace('_', ' ') if name in entry.traits else f'`{name}`'}: {_words(value)}"
                for name, value in rows
            ]
            lines += [""] if rows else []
    return "\n".join(lines).rstrip() + "\n"


def _component(configs: Path, group: str, name: str) -> Entry:
    component = components(ROOMS[group])[name]
    traits = {key: value for key, value in component.traits.items() if value not in (False, None)}
    return Entry(name, component.summary, _options(component.model), traits, _files(configs, group, name))


def _names(group: str, model: type[BaseModel]) -> tuple[str, ...]:
    """The names by which a config class is chosen: one or several, or the group's where there is no choice."""
    tag = model.model_fields.get("modality" if group == "data" else "name")
    return (tag and get_args(tag.annotation)) or (group,)


def _entry(configs: Path, group: str, model: type[BaseModel], name: str) -> Entry:
    # Not the docstring of the class that it inherits from.
    summary = inspect.cleandoc(vars(model).get("__doc__") or "").split("\n\n")[0].replace("\n", " ")
    return Entry(name, summary, _options(model), {}, _files(configs, group, name))


def _files(configs: Path, group: str, name: str) -> tuple[str, ...]:
    """The YAML files of a group that choose `name`, by their own first setting, without composing them."""
    key = "modality" if group == "data" else "name"
    wanted = {f"{key}: {name}"}
    found = []
    for path in sorted((configs / group).glob("*.yaml")):
        settings = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        if wanted & set(settings):
            found.append(path.stem)
    return tuple(found)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The config classes of a field: one, or the members of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _options(model: type[BaseModel]) -> dict[str, str]:
    return {name: _value(field) for name, field in model.model_fields.items() if name not in ("name", "modality")}


def _value(field: FieldInfo) -> str:
    default = field.default
    shown = "" if default is PydanticUndefined or isinstance(default, BaseModel) else f" = {_words(default)}"
    return " or ".join(dict.fromkeys(_kinds(field.annotation))) + shown


def _kinds(annotation: Any) -> Iterator[str]:
    """The values that an annotation allows, in words."""
    if get_origin(annotation) is Literal:
        yield from (str(value) for value in get_args(annotation))
    elif isinstance(annotation, types.UnionType) or str(get_origin(annotation)) == "typing.Union":
        for part in get_args(annotation):
            yield from _kinds(part)
    elif str(get_origin(annotation)) == "typing.Annotated":
        yield from _kinds(get_args(annotation)[0])
    elif annotation is type(None) or annotation is None:
        yield "null"
    elif get_origin(annotation) in (tuple, list):
        inner = [part for part in get_args(annotation) if part is not Ellipsis]
        yield f"list of {' or '.join(dict.fromkeys(kind for part in inner for kind in _kinds(part)))}"
    else:
        yield {int: "whole number", float: "number", str: "text", bool: "true or false"}.get(annotation, "settings")


def _words(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_words(part) for part in value) or "none"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
