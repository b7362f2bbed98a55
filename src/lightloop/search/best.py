"""The best setting of a sweep as an experiment that composes and runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.files import write_text
from lightloop.project import Project
from lightloop.search.space import as_override


def write_best(project: Project, overrides: Sequence[str], values: Mapping[str, Any], provenance: Sequence[str]) -> str:
    """Write `configs/experiment/NAME-best.yaml`, and see that it composes to the very config of that trial.

    Args:
        project: whose `configs/` to write into.
        overrides: of the sweep, such as `experiment=loans`.
        values: of the best trial, by key.
        provenance: lines of the comment at its head.

    Returns:
        The experiment's name.

    Raises:
        LightloopError: it would not compose to the same config.
    """
    wanted = compose_config(project, [*overrides, *(as_override(key, value) for key, value in values.items())])
    base, groups, plain = _sorted_out(project, overrides)
    for key, value in values.items():
        if (project.configs / key).is_dir():
            groups[key] = value
        else:
            plain[key] = value
    name = f"{base}-best"
    chosen = [{f"override /{group}": option} for group, option in groups.items()]
    content: dict[str, Any] = {"defaults": [base, *chosen, "_self_"], "name": name}
    for key, value in plain.items():
        _set(content, key.split("."), value)
    path = project.configs / "experiment" / f"{name}.yaml"
    before = path.read_text(encoding="utf-8") if path.exists() else None
    head = "".join(f"# {line}\n" for line in provenance)
    write_text(path, f"# @package _global_\n{head}{yaml.safe_dump(content, sort_keys=False, width=110)}")
    if _nameless(compose_config(project, [f"experiment={name}"])) != _nameless(wanted):
        path.unlink() if before is None else write_text(path, before)
        raise LightloopError(f"experiment={name} would not compose to the best setting: set its values by hand")
    return name


def _nameless(config: Config) -> dict[str, Any]:
    return config.model_dump(exclude={"name"})


def _sorted_out(project: Project, overrides: Sequence[str]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The experiment, the groups' options and the values that overrides ask for."""
    base = _default_experiment(project)
    groups: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for word in overrides:
        key, _, value = word.lstrip("+").partition("=")
        if key == "experiment":
            base = value
        elif (project.configs / key).is_dir():
            groups[key] = value
        else:
            plain[key] = yaml.safe_load(value)
    return base, groups, plain


def _default_experiment(project: Project) -> str:
    content = yaml.safe_load((project.configs / "config.yaml").read_text(encoding="utf-8"))
    return next(
        str(entry["experiment"]) for entry in content["defaults"] if isinstance(entry, dict) and "experiment" in entry
    )


def _set(content: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        content = content.setdefault(part, {})
    content[path[-1]] = value
