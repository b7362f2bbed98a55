"""YAML that says why: values with a comment each, in the layout of `configs/`."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightloop.errors import UsageError

# What every reader of YAML takes for text, also without quotes.
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
NOT_TEXT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"}
WIDTH = 116


@dataclass(frozen=True)
class Said:
    """A value and why it is so; the comment stands behind it."""

    value: Any
    why: str = ""


Tree = Mapping[str, Any]


def to_yaml(tree: Tree, depth: int = 0) -> str:
    """A tree of values, of `Said`, and of more trees, as YAML.

    Args:
        tree: keys and values in order. A mapping below is a block; a mapping in `Said` stands in one line.
        depth: of the indentation.

    Raises:
        UsageError: a text that no config can hold.

    Examples:
        >>> print(to_yaml({"name": "cat", "split": {"test": Said(0.2, "a fifth")}, "classes": ["1", "no"]}), end="")
        name: cat
        split:
          test: 0.2 # a fifth
        classes: ["1", "no"]
    """
    indent = "  " * depth
    lines: list[str] = []
    for key, node in tree.items():
        if isinstance(node, Mapping):
            lines += [f"{indent}{_key(key)}:\n", to_yaml(node, depth + 1)]
            continue
        said = node if isinstance(node, Said) else Said(node)
        line = f"{indent}{_key(key)}: {inline(said.value)}"
        why = one_line(said.why)
        if not why:
            lines.append(f"{line}\n")
        elif len(line) + len(why) > WIDTH and len(why) > WIDTH // 2:
            lines.append(f"{indent}# {why}\n{line}\n")
        else:
            lines.append(f"{line} # {why}\n")
    return "".join(lines)


def inline(value: Any) -> str:
    """A value in one line; texts in quotes where a reader could take them for something else.

    Raises:
        UsageError: a text that no config can hold.

    Examples:
        >>> inline(["a b", "cat", "1e5", "no", 2.0, None, True, {"role": "feature"}])
        '["a b", cat, "1e5", "no", 2.0, null, true, {role: feature}]'
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case Mapping():
            return "{" + ", ".join(f"{_key(key)}: {inline(inner)}" for key, inner in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(inline(inner) for inner in value) + "]"
    raise TypeError(f"{value!r} is no value of a config")


def _key(name: str) -> str:
    """A name, in which OmegaConf looks nothing up."""
    return _text(name).replace("\\\\${", "${")


def _text(value: str) -> str:
    if value == "???":
        raise UsageError(
            "a column or class is called '???', which means `missing` in a config: rename it in the source"
        )
    if PLAIN.fullmatch(value) and value.lower() not in NOT_TEXT:
        return value
    # OmegaConf takes ${...} for a reference.
    return json.dumps(value.replace("${", "\\${"), ensure_ascii=False)


def one_line(text: str) -> str:
    """A comment in one line, in which nothing ends it."""
    return " ".join(text.split())
