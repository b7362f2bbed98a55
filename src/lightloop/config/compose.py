"""From `configs/` and overrides to one validated config, and to the params.yaml that DVC tracks."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lightloop.config.files import digest_files
from lightloop.config.schema import Config
from lightloop.errors import UsageError
from lightloop.files import write_text
from lightloop.project import Project

# The keys by which a member of a union is chosen.
TAGS = ("name", "modality")
# Folders of configs/ that are no groups of the config.
NO_GROUPS = ("expectations", "sweep")
HEADER = (
    "# Generated from configs/ by `lightloop run`. Change configs/ or give overrides; edits here are overwritten.\n"
)


def compose_config(project: Project, overrides: Sequence[str] = ()) -> Config:
    """Compose `configs/` with Hydra and validate the result.

    Args:
        project: the project whose `configs/` to read.
        overrides: as typed: `network=resnet` picks a group's option, `trainer.max_epochs=3` sets a value.

    Raises:
        UsageError: an unknown group, option or key, a wrong type, an impossible combination; names the nearest
            valid name. Or a file that the config names is missing.
    """
    config = validate_config(_compose(project.configs, [_as_hydra(project.configs, text) for text in overrides]))
    return config.model_copy(update={"files": digest_files(config, project.root)})


def validate_config(raw: Any) -> Config:
    """Check a composed config and freeze it.

    Raises:
        UsageError: in one sentence, the first thing that is wrong.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise UsageError(_sentence(error, raw)) from None


def read_params(project: Project) -> Config:
    """The config of the current run, as params.yaml holds it.

    Raises:
        UsageError: params.yaml is missing or does not fit.
    """
    if not project.params.exists():
        raise UsageError("params.yaml is missing: `lightloop run` composes it from configs/")
    try:
        raw = yaml.safe_load(project.params.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(f"params.yaml is not valid YAML ({str(error).splitlines()[0]}): run `lightloop run`") from None
    return validate_config(raw)


def write_params(project: Project, config: Config) -> bool:
    """Write params.yaml when its content changes; return whether it did."""
    return write_text(project.params, HEADER + to_yaml(config))


def to_yaml(config: Config) -> str:
    """The config as YAML, keys in the order of the schema.

    Of a column and of a metamorphic check stands there what was said about it, in the short form where that is its role
    alone: `data` is in dvc.lock, which DVC parses and writes anew after each stage.
    """
    content = config.model_dump(mode="json")
    for group in ("columns", "metamorphic"):
        content["data"][group] = _said(getattr(config.data, group))
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _said(given: Any) -> Any:
    """Without defaults; a part of which only the role is left is that role."""
    if isinstance(given, dict):
        return {name: _said(one) for name, one in given.items()}
    if isinstance(given, tuple):
        return [_said(one) for one in given]
    content = given.model_dump(mode="json", exclude_defaults=True)
    return content["role"] if list(content) == ["role"] else content


def _compose(configs: Path, overrides: list[str]) -> Any:
    from hydra import compose, initialize_config_dir
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    for text in overrides:
        try:
            OverridesParser.create().parse_override(text)
        except HydraException:
            typed = text.removeprefix("++")
            raise UsageError(
                f"`{typed}` is not a value that Hydra can read: put special characters in quotes"
            ) from None
    try:
        with initialize_config_dir(str(configs), version_base="1.3"):
            composed = compose("config", overrides=overrides)
            if stale := _stale_settings(configs, overrides, composed):
                without = compose("config", overrides=_without_experiment(configs, overrides))
                with open_dict(composed):
                    composed.update({group: without[group] for group in stale})
        missing = sorted(OmegaConf.missing_keys(composed))
        if missing:
            raise UsageError(f"{missing[0]} has no value (???): give one, as in `{missing[0]}=...`")
        return OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise UsageError(_hydra_sentence(configs, str(error))) from None


def _stale_settings(configs: Path, overrides: list[str], composed: Any) -> list[str]:
    """Groups whose settings in the experiment are those of another component than the one that a person chose.

    An experiment that sets `network.hidden` of an MLP says nothing about a Transformer, so these must not reach it.
    """
    experiment, options = _experiment(configs, overrides)
    return [
        group
        for group in experiment
        if group in options
        and group in {text.partition("=")[0] for text in overrides}
        and composed[group].get("name") != _read_option(configs, group, options[group]).get("name")
    ]


def _without_experiment(configs: Path, overrides: list[str]) -> list[str]:
    """Overrides that choose what the experiment chooses, without the values that it sets."""
    typed = {text.partition("=")[0] for text in overrides}
    _, options = _experiment(configs, overrides)
    chosen = [f"{group}={option}" for group, option in options.items() if group not in typed]
    return ["~experiment", *chosen, *(text for text in overrides if not text.startswith("experiment="))]


def _experiment(configs: Path, overrides: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The content of the chosen experiment's file, and the options that it chooses by group."""
    defaults = yaml.safe_load((configs / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    usual = {group: option for one in defaults if isinstance(one, dict) for group, option in one.items()}
    typed = [text.partition("=")[2] for text in overrides if text.startswith("experiment=")]
    content, own = _with_parents(configs, typed[-1] if typed else usual["experiment"])
    usual.pop("experiment")
    return content, usual | own


def _with_parents(configs: Path, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What an experiment's file says and chooses, over what the experiments say that its defaults name."""
    content = _read_option(configs, "experiment", name)
    said: dict[str, Any] = {}
    chosen: dict[str, str] = {}
    for one in content.get("defaults", []):
        if isinstance(one, dict):
            chosen |= {key.removeprefix("override /"): option for key, option in one.items()}
        elif one != "_self_":
            above, options = _with_parents(configs, one)
            said, chosen = said | above, options | chosen
    return said | content, chosen


def _read_option(configs: Path, group: str, option: str) -> dict[str, Any]:
    return yaml.safe_load((configs / group / f"{option}.yaml").read_text(encoding="utf-8")) or {}


def _as_hydra(configs: Path, text: str) -> str:
    """An override in Hydra's words; what Hydra would refuse in its own words is refused here in ours.

    A value is set with `++`, so that a key that a YAML file leaves at its default can be set too; unknown keys are
    found by the schema, which knows the nearest valid one.
    """
    key, separator, value = text.partition("=")
    bare = key.lstrip("+~")
    if not separator and not key.startswith("~"):
        raise UsageError(f"`{text}` is no override: write key=value, such as trainer.max_epochs=3")
    groups = sorted(folder.name for folder in configs.iterdir() if folder.is_dir() and folder.name not in NO_GROUPS)
    if bare in groups:
        options = _options(configs, bare)
        if separator and value not in options:
            raise UsageError(f"configs/{bare}/ has no {value!r}{_nearest(value, options)} It has {', '.join(options)}")
        return text
    if "." not in bare and bare not in Config.model_fields:
        raise UsageError(f"{bare!r} is no config group or key{_nearest(bare, [*groups, *Config.model_fields])}")
    return text if key.startswith(("+", "~")) else f"++{text}"


def _options(configs: Path, group: str) -> list[str]:
    return sorted(path.stem for path in (configs / group).glob("*.yaml"))


def _hydra_sentence(configs: Path, message: str) -> str:
    lost = re.search(r"Could not find '([^']+)'", message)
    if lost:
        group, _, option = lost.group(1).rpartition("/")
        options = _options(configs, group)
        if not options:
            return f"the config group {group or option!r} is missing: configs/{lost.group(1)}.yaml was expected"
        return f"configs/{group}/ has no {option!r}{_nearest(option, options)} It has {', '.join(options)}"
    unreadable = re.search(r"Exception: \+*(\S+)", message)
    if "Lexer" in message or "Parse" in message:
        return (
            f"`{unreadable.group(1) if unreadable else message}` is not a value that Hydra can read: put it in quotes"
        )
    return "the config does not compose: " + " ".join(message.split())


def _sentence(error: ValidationError, raw: Any) -> str:
    """The first finding of pydantic in one sentence."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in _without_tags(first["loc"], raw))
    came = first.get("input")
    match first["type"]:
        case "extra_forbidden":
            return f"{key} is unknown{_nearest(key, list(_known_keys(Config, raw)))}"
        case "missing":
            return f"{key} is missing: every group of configs/config.yaml must give its values"
        case "union_tag_invalid":
            names = re.findall(r"'([^']+)'", str(first.get("ctx", {}).get("expected_tags", "")))
            tag = str(first.get("ctx", {}).get("tag"))
            return f"{key}.name is {tag!r}{_nearest(tag, names)} Valid names are {', '.join(names)}"
        case "union_tag_not_found":
            return f"{key} needs a name that says which one it is"
        case "value_error":
            return str(first["ctx"]["error"])
        case _:
            return f"{key} is {came!r}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _without_tags(location: Sequence[int | str], raw: Any) -> Iterator[int | str]:
    """Pydantic puts the chosen member of a union into the location; a person's config has no such level."""
    node = raw
    for position, part in enumerate(location):
        if isinstance(node, dict) and part not in node and position < len(location) - 1:
            continue
        if isinstance(node, dict) and part not in node and node.get("name") == part:
            continue
        if not isinstance(node, dict | list):
            return
        yield part
        try:
            node = node[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return


def _known_keys(model: Any, raw: Any, prefix: str = "") -> Iterator[str]:
    """Every dotted key that the schema knows, with unions resolved by the `name` that the config gives."""
    chosen = _member(model, raw)
    if chosen is None:
        return
    for name, field in chosen.model_fields.items():
        yield prefix + name
        inner = raw.get(name) if isinstance(raw, dict) else None
        yield from _known_keys(field.annotation, inner, f"{prefix}{name}.")


def _member(annotation: Any, raw: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = [part for part in _flat(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    tags = {raw.get(key) for key in TAGS} if isinstance(raw, dict) else set()
    return next((model for model in models if tags & _tags(model)), None)


def _flat(annotation: Any) -> Iterator[Any]:
    """The members of a union, also of one that is annotated or nested."""
    parts = get_args(annotation)
    if not parts or isinstance(annotation, type):
        yield annotation
    for part in parts:
        yield from _flat(part)


def _tags(model: type[BaseModel]) -> set[Any]:
    """What tells a member of a union apart: its `name`, or its modality."""
    fields = [model.model_fields[key] for key in TAGS if key in model.model_fields]
    return {tag for field in fields for tag in get_args(field.annotation)}


def _nearest(name: str, valid: list[str]) -> str:
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else "."
