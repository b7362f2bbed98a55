"""Everything that a config can name, read from the schema itself: what `lightloop list` prints and the docs page holds.

There is no second list: a component that the schema knows is in the catalogue.
"""

import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lightloop.config.explain import METHODS as EXPLAIN_METHODS
from lightloop.config.methods import METHODS, NO_METHOD
from lightloop.config.metrics import METRICS
from lightloop.config.schema import Config
from lightloop.config.signature import components, stages
from lightloop.config.sweeps import QUERIES, Choices, Layers, Range, SweepConfig
from lightloop.errors import UsageError

PLURALS = {
    "average": "averages",
    "category": "categories",
    "dimension": "dimensions",
    "ensemble": "ensembles",
    "gan_loss": "gan_losses",
    "gan_penalty": "gan_penalties",
    "loss": "losses",
    "metric": "metrics",
    "network": "networks",
    "optimizer": "optimizers",
    "pruner": "pruners",
    "query": "queries",
    "sampler": "samplers",
    "scheduler": "schedulers",
    "stage": "stages",
    "switch": "switches",
    "task": "tasks",
    "vocabulary": "vocabularies",
    **{
        name: f"{name}s"
        for name in METHODS
        if name not in ("category", "gan_loss", "gan_penalty", "missing", "query", "switch", "transfer", "vocabulary")
    },
}
ROOMS = {"network": "networks", "task": "tasks"}
# Sections of a docstring that say nothing to a reader of the page, and those that describe settings.
UNREAD, SETTINGS = ("Raises", "Returns", "Examples"), ("Args", "Attributes")


@dataclass(frozen=True)
class Entry:
    """One thing that a config can name.

    Attributes:
        name: as it is written in a config.
        summary: what it is, in a sentence.
        options: its settings, by name: the values that they can take, and the default where there is one.
        traits: what it is for, such as the modalities of a network.
        chosen: how a person chooses it, such as `network=mlp` where `configs/network/mlp.yaml` says that name.
        details: what its docstring says beyond the summary.
        notes: what its docstring says of each setting.
    """

    name: str
    summary: str
    options: dict[str, str]
    traits: dict[str, Any]
    chosen: tuple[str, ...] = ()
    details: str = ""
    notes: dict[str, str] = field(default_factory=dict)


def catalogue(configs: Path) -> dict[str, list[Entry]]:
    """All entries by group, in the order of the config; then what else has a name, and methods inside of groups.

    Args:
        configs: the project's `configs/`, whose YAML files are named beside the entries.
    """
    found: dict[str, list[Entry]] = {}
    for group, info in Config.model_fields.items():
        if group == "stages":
            continue
        if group in ROOMS:
            found[group] = [_component(configs, group, name) for name in components(ROOMS[group])]
        elif models := _models(info.annotation):
            found[group] = [
                _entry(model, name, _files(configs, group, name)) for model in models for name in _names(group, model)
            ]
    found["explain"] += [
        Entry(name, traits.summary, {}, {"modalities": traits.modalities, "needs": traits.needs or "nothing"})
        for name, traits in EXPLAIN_METHODS.items()
    ]
    found["metric"] = [
        Entry(name, metric.meaning, {}, {"direction": metric.direction, "unit": metric.unit})
        for name, metric in METRICS.items()
    ]
    # of feature: sweeps
    for group in ("sampler", "pruner"):
        models = _models(SweepConfig.model_fields[group].annotation)
        found[group] = [_entry(model, name, (f"{group}={name}",)) for model in models for name in _names(group, model)]
    found["dimension"] = [_entry(model, model.__name__.lower(), ()) for model in (Choices, Range, Layers)]
    # end
    found["stage"] = [
        Entry(name, stage.summary, _options(stage.model), {}, (f"--until {name}",), "", _described(stage.model)[2])
        for name, stage in stages().items()
    ]
    return found | {group: _methods(group) for group in METHODS}


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
        table = Table("name", "what", "settings", "chosen by", box=SIMPLE_HEAD, show_lines=True)
        for entry in found[chosen]:
            about = "; ".join(
                [entry.summary, *(f"{key.replace('_', ' ')}: {_words(value)}" for key, value in entry.traits.items())]
            )
            settings = "\n".join(
                f"{name}: {value}" + (f"; {entry.notes[name]}" if name in entry.notes else "")
                for name, value in entry.options.items()
            )
            # Text, since a bracket would be read as markup.
            table.add_row(entry.name, Text(about), Text(settings), Text("\n".join(entry.chosen)))
    Console().print(table)


def to_markdown(found: dict[str, list[Entry]]) -> str:
    """The whole catalogue as one page."""
    lines = [
        "# What a config can name",
        "",
        "Generated from the schema by `lightloop list --markdown`; a test keeps it up to date.",
        "`lightloop list GROUP` prints one group, `lightloop run GROUP=NAME` chooses,",
        "`lightloop run GROUP.SETTING=VALUE` sets. Beside each name stands how it is chosen.",
        "",
    ]
    for group, entries in found.items():
        lines += [f"## {plural(group)}", ""]
        for entry in entries:
            chosen = [f"`{words}`" for words in entry.chosen]
            lines += [f"### {entry.name}", "", " ".join([entry.summary, *chosen]), ""]
            lines += [entry.details, ""] if entry.details else []
            lines += [f"- {name.replace('_', ' ')}: {_words(value)}" for name, value in entry.traits.items()]
            lines += [
                f"- `{name}`: {value}" + (f"; {entry.notes[name]}" if name in entry.notes else "")
                for name, value in entry.options.items()
            ]
            lines += [""] if entry.traits or entry.options else []
    return "\n".join(lines).rstrip() + "\n"


def _component(configs: Path, group: str, name: str) -> Entry:
    component = components(ROOMS[group])[name]
    traits = {key: value for key, value in component.traits.items() if value not in (False, None)}
    _, details, notes = _described(component.model)
    return Entry(
        name, component.summary, _options(component.model), traits, _files(configs, group, name), details, notes
    )


def _names(group: str, model: type[BaseModel]) -> tuple[str, ...]:
    """The names by which a config class is chosen: one or several, or the group's where there is no choice."""
    tag = model.model_fields.get("modality" if group == "data" else "name")
    return (tag and get_args(tag.annotation)) or (group,)


def _entry(model: type[BaseModel], name: str, chosen: tuple[str, ...]) -> Entry:
    summary, details, notes = _described(model)
    return Entry(name, summary, _options(model), {}, chosen, details, notes)


def _described(model: type[BaseModel]) -> tuple[str, str, dict[str, str]]:
    r"""From a docstring: its first paragraph, the others, and what it says of each setting.

    Examples:
        >>> from lightloop.config.base import Frozen
        >>> knife = type("Knife", (Frozen,), {"__doc__": "Cuts.\n\nArgs:\n    length, width: in\n        mm."})
        >>> _described(knife)
        ('Cuts.', '', {'length': 'in mm.', 'width': 'in mm.'})
    """
    # Not the docstring of the class that it inherits from.
    first, *rest = inspect.cleandoc(vars(model).get("__doc__") or "").split("\n\n")
    details: list[str] = []
    notes: dict[str, str] = {}
    for paragraph in rest:
        section = paragraph.partition(":\n")[0]
        if section in SETTINGS:
            for names, text in re.findall(r"^    (\w[\w, ]*): (.*(?:\n     .*)*)", paragraph, re.MULTILINE):
                notes |= dict.fromkeys(names.split(", "), " ".join(text.split()))
        elif section not in UNREAD:
            details.append(" ".join(paragraph.split()))
    return " ".join(first.split()), "\n\n".join(details), notes


def _files(configs: Path, group: str, name: str) -> tuple[str, ...]:
    """How YAML files choose `name` for a group, by their own first setting, without composing them."""
    key = "modality" if group == "data" else "name"
    found = []
    for path in sorted((configs / group).glob("*.yaml")):
        settings = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        if f"{key}: {name}" in settings:
            found.append(f"{group}={path.stem}")
    return tuple(found)


def _methods(group: str) -> list[Entry]:
    """The methods of a kind: the names that the settings of its keys allow, and where each can be chosen."""
    chosen: dict[str, list[str]] = {}
    owners: dict[str, list[str]] = {}
    for key in METHODS[group].keys:
        for name, words, owner in _allowed(key):
            chosen.setdefault(name, []).append(words)
            owners.setdefault(name, []).append(owner)
    return [
        Entry(
            name,
            METHODS[group].meanings.get(name, ""),
            {},
            {"of": tuple(dict.fromkeys(owner for owner in owners[name] if owner))} if any(owners[name]) else {},
            tuple(dict.fromkeys(chosen[name])),
        )
        for name in chosen
    ]


def _allowed(key: str) -> Iterator[tuple[str, str, str]]:
    """The methods that a setting allows: name, how it is chosen, and the member of the group that has it."""
    # of feature: sweeps
    if key.startswith("label-next"):
        yield from ((name, f"{key}={name}", "") for name in QUERIES)
        return
    # end
    group, *path = key.split(".")
    for owner in _models(Config.model_fields[group].annotation):
        models, (*inner, last) = [owner], path
        for part in inner:
            models = [below for model in models for below in _models(model.model_fields[part].annotation)]
        of = "" if group in ("data", "clean", "trainer") else str(_names(group, owner)[0])
        for model in models:
            names = [name for name in model.model_fields if name not in ("name", "mixed")] if last == "*" else [last]
            for name in names:
                if name not in model.model_fields:
                    continue
                setting = ".".join([group, *inner, name])
                annotation = model.model_fields[name].annotation
                literals = [value for value in _literals(annotation) if value not in NO_METHOD]
                if not literals:
                    yield name, f"{setting}=true" if annotation is bool else setting, of
                several = get_origin(annotation) is tuple
                for value in literals:
                    yield value, f"{setting}=[{value}]" if several else f"{setting}={value}", of


def _literals(annotation: Any) -> Iterator[str]:
    """The words among the values that an annotation allows."""
    if get_origin(annotation) is Literal:
        yield from (value for value in get_args(annotation) if isinstance(value, str))
    else:
        for part in get_args(annotation):
            yield from _literals(part)


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
    elif get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif annotation is type(None) or annotation is None:
        yield "null"
    elif get_origin(annotation) in (tuple, list):
        inner = [part for part in get_args(annotation) if part is not Ellipsis]
        yield f"list of {' or '.join(dict.fromkeys(kind for part in inner for kind in _kinds(part)))}"
    elif get_origin(annotation) is dict:
        yield "values by name"
    else:
        yield {int: "whole number", float: "number", str: "text", bool: "true or false"}.get(annotation, "settings")


def _words(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_words(part) for part in value) or "none"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
