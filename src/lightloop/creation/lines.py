"""Adding to YAML that people wrote: lines are put in, and every other line, comments among them, stays as it is."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from lightloop.errors import UsageError


def with_stage(text: str, entry: str, after: str) -> str:
    r"""dvc.yaml with one more stage.

    Args:
        text: of dvc.yaml.
        entry: of the new stage, indented as stages are.
        after: the stage behind which it is put.

    Raises:
        UsageError: there is no such stage, or the new one is there already.

    Examples:
        >>> before = "stages:\n  train:\n    cmd: a\n\n# Charts\nplots: []\n"
        >>> print(with_stage(before, "  own:\n    cmd: b\n", "train"))
        stages:
          train:
            cmd: a
        <BLANKLINE>
          own:
            cmd: b
        <BLANKLINE>
        # Charts
        plots: []
        <BLANKLINE>
    """
    stages = _mapping(text, "dvc.yaml").get("stages") or {}
    (name,) = yaml.safe_load(entry)
    if name in stages:
        raise UsageError(f"dvc.yaml has a stage {name} already: call yours something else")
    if after not in stages:
        raise UsageError(f"dvc.yaml has no stage {after!r} to put it behind: the stages are {', '.join(stages)}")
    lines = text.splitlines(keepends=True)
    start = next(place for place, line in enumerate(lines) if re.match(rf"  {re.escape(after)}:", line))
    end = _end_of(lines, start, "  ")
    result = "".join([*lines[:end], "\n", entry, *lines[end:]])
    expected = {**_mapping(text, "dvc.yaml"), "stages": {**stages, **yaml.safe_load(entry)}}
    return _checked(result, expected, "dvc.yaml")


def with_settings(text: str, name: str, settings: Mapping[str, str]) -> str:
    r"""config.yaml with the settings of one more stage, below `stages`.

    Args:
        text: of configs/config.yaml.
        name: of the stage.
        settings: as they are written.

    Examples:
        >>> print(with_settings("seed: 42\n", "own", {"share": "0.1"}))
        seed: 42
        stages: # settings of the project's own stages, by name
          own:
            share: 0.1
        <BLANKLINE>
    """
    content = _mapping(text, "configs/config.yaml")
    entry = [f"  {name}:\n", *(f"    {key}: {value}\n" for key, value in settings.items())]
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if "stages" not in content:
        lines += ["stages: # settings of the project's own stages, by name\n", *entry]
    else:
        start = next(place for place, line in enumerate(lines) if line.startswith("stages:"))
        end = _end_of(lines, start, "")
        lines[end:end] = entry
    added = {name: {key: yaml.safe_load(value) for key, value in settings.items()}}
    expected = {**content, "stages": {**(content.get("stages") or {}), **added}}
    return _checked("".join(lines), expected, "configs/config.yaml")


def _end_of(lines: list[str], start: int, indent: str) -> int:
    """The place behind the block that a line opens; blank lines and comments before the next block are not of it."""
    end = start + 1
    for place in range(start + 1, len(lines)):
        line = lines[place]
        if line.startswith(f"{indent} ") and line.strip():
            end = place + 1
        elif line.strip() and not line.startswith(f"{indent} "):
            break
    return end


def _mapping(text: str, what: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{what} is not valid YAML ({str(error).splitlines()[0]}): mend it first") from None
    if not isinstance(content, dict):
        raise UsageError(f"{what} is no mapping: mend it first")
    return content


def _checked(text: str, expected: dict[str, Any], what: str) -> str:
    """The new text, which must say what it said and the new entry.

    Raises:
        UsageError: the file is written in a way that lines can't be put into.
    """
    try:
        same = yaml.safe_load(text) == expected
    except yaml.YAMLError:
        same = False
    if not same:
        raise UsageError(f"{what} is not written a line a key, so nothing can be put into it: add the entry by hand")
    return text
