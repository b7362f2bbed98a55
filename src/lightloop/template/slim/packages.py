"""Which distributions a tree uses: what it imports, and what it runs."""

import ast
import re
import tomllib
from collections.abc import Mapping

from lightloop.template.slim.features import Features
from lightloop.template.slim.lock import canonical

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
REQUIREMENT = re.compile(r'^\s*"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?[^"]*",?\s*(?:#.*)?$')


def imported(texts: Mapping[str, str]) -> set[str]:
    """The first names of every module that the files of Python import, and those that strings name to import late."""
    found: set[str] = set()
    for path, text in texts.items():
        if not path.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found |= {part for alias in node.names for part in _prefixes(alias.name)}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= set(_prefixes(node.module))
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.args[0].value
                asks = ast.unparse(node.func).rpartition(".")[2] in ("import_module", "importorskip", "find_spec")
                if asks and isinstance(name, str):
                    found |= set(_prefixes(name))
    return found


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def names_of(distribution: str, features: Features) -> tuple[str, ...]:
    """What a distribution is imported as."""
    return features.imports.get(distribution, (distribution.replace("-", "_"),))


def dead(pyproject: str, before: set[str], now: set[str], features: Features, left_out: tuple[str, ...]) -> set[str]:
    """Declared distributions that were used, and are no longer."""
    going = {canonical(name) for feature in left_out for name in features.features[feature].packages}
    staying = {
        canonical(name)
        for feature, one in features.features.items()
        if feature not in left_out
        for name in one.packages
    }
    found = set()
    for name in declared(pyproject):
        names = names_of(name, features)
        if name in features.tools or name in staying or now & set(names):
            continue
        if name in going or before & set(names):
            found.add(name)
    return found


def declared(pyproject: str) -> list[str]:
    r"""Every distribution that `pyproject.toml` names, in its order.

    Examples:
        >>> declared('[project]\ndependencies = ["torch>=2", "fsspec[s3]"]')
        ['torch', 'fsspec']
    """
    tables = tomllib.loads(pyproject)
    project = tables.get("project", {})
    lists = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    lists += tables.get("dependency-groups", {}).values()
    # A group may include others, which is no name.
    return [canonical(match[0]) for one in lists for entry in one if (match := NAME.match(str(entry)))]


NOT_LISTS = ("license-files", "authors", "keywords", "classifiers")


def without(pyproject: str, gone: set[str]) -> str:
    """`pyproject.toml` without these distributions, and without lists that are empty then."""
    kept: list[str] = []
    inside = False
    for line in pyproject.splitlines(keepends=True):
        if line.startswith("["):
            inside = line.strip() in ("[project]", "[project.optional-dependencies]", "[dependency-groups]")
        match = REQUIREMENT.match(line) if inside else None
        single = re.match(r"^(\S+) = \[(\"[^\[\]]*(?:\[[^\]]*\])?[^\[\]]*\")\]$", line.rstrip("\n")) if inside else None
        if (match and canonical(match[1]) in gone) or (
            single
            and single[1] not in NOT_LISTS
            and all(
                (one := REQUIREMENT.match(f"{part.strip()},")) and canonical(one[1]) in gone
                for part in single[2].split(",")
            )
        ):
            _drop_comment(kept)
        elif line.strip() == "]" and inside and kept and kept[-1].rstrip().endswith("= ["):
            kept.pop()
            _drop_comment(kept)
        else:
            kept.append(line)
    return "".join(kept)


def _drop_comment(lines: list[str]) -> None:
    """A comment right above belongs to what goes, where nothing else stands under it."""
    while (
        lines and lines[-1].lstrip().startswith("#") and "feature: " not in lines[-1] and lines[-1].strip() != "# end"
    ):
        lines.pop()
