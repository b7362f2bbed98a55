"""What can be left out, as `features.toml` says it."""

import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from lightloop.errors import UsageError

FEATURES = Path(__file__).parent.parent / "features.toml"


@dataclass(frozen=True)
class Feature:
    """Something that a project can do without.

    Attributes:
        name: as people type it.
        about: what a project without it lacks, in one line.
        files: patterns of its files: `**` is any number of folders.
        needs: features without which it can't be.
        only_for: features of which one must be there at least: it goes with the last of them.
        names: definitions in files of others that are its own: `module:name` or `module:Class.name`.
        attributes: names that objects have no longer: `config.serve`, of whatever is called config.
        values: what `x.modality` and the like are no longer, by the attribute's name.
        packages: distributions that it uses without importing them.
        lines: by file, expressions of lines of text files that go with it.
        instead: by text, what stands there without it.
        said: expressions of words that the documentation says of it alone.
        classes: of its values, for which `isinstance` is always true where they are all that is left.
        options: names in configs that are its own, such as those of its networks and data sets.
        offered: whether projects may leave it out: one without it was made, and passed its own checks and tests.
    """

    name: str
    about: str
    files: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    only_for: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    values: dict[str, str | list[str]] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    lines: dict[str, tuple[str, ...]] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    offered: bool = False

    def owns(self, path: str) -> bool:
        """Whether a file of the tree, relative and with slashes, is its own."""
        return any(_pattern(one).fullmatch(path) for one in self.files)


@dataclass(frozen=True)
class Features:
    """All features, and what belongs to none.

    Attributes:
        features: by name.
        core: patterns of the files that every project has.
        kept: definitions, as `module:name`, that stay also where nobody uses them any more.
        one_of: groups of features of which one stays at least.
        kinds: by attribute, all values that it has.
        imports: by distribution, the names under which it is imported where they are not its own.
        tools: distributions that are used without being imported, by everyone.
        makers: what in tests makes or holds something of the kind that is said.
        starts: what the defaults choose, by group, where the first experiment is gone; the first that is there counts.
    """

    features: dict[str, Feature]
    core: tuple[str, ...]
    one_of: tuple[tuple[str, ...], ...]
    kinds: dict[str, tuple[str, ...]]
    imports: dict[str, tuple[str, ...]]
    tools: tuple[str, ...]
    makers: tuple[str, ...] = ()
    starts: tuple[dict[str, str], ...] = ()
    kept: tuple[str, ...] = ()

    def without(self, names: Iterable[str]) -> tuple[str, ...]:
        """`names` and the features that can't be without them, in the order of the file.

        Raises:
            UsageError: there is no such feature, or nothing would be left of a group.
        """
        gone = set()
        for name in names:
            if name not in self.features:
                near = get_close_matches(name, self.features, n=1)
                hint = f": did you mean {near[0]!r}?" if near else "."
                raise UsageError(f"{name!r} is no feature{hint} Features are {', '.join(self.features)}")
            gone.add(name)
        while more := {one.name for one in self.features.values() if _goes_with(one, gone)} - gone:
            gone |= more
        for group in self.one_of:
            if gone.issuperset(group):
                raise UsageError(f"nothing would be left to learn from: keep one of {', '.join(group)}")
        return tuple(name for name in self.features if name in gone)

    @property
    def offered(self) -> tuple[str, ...]:
        """Features that a project may leave out."""
        return tuple(name for name, one in self.features.items() if one.offered)

    def owner(self, path: str) -> str | None:
        """The feature that a file belongs to, "core", or None where nothing claims it.

        A file of several features goes with the first of them that is left out: see `owners`.
        """
        owners = self.owners(path)
        if owners:
            return owners[0]
        return "core" if any(_pattern(one).fullmatch(path) for one in self.core) else None

    def owners(self, path: str) -> tuple[str, ...]:
        """All features that claim a file."""
        return tuple(name for name, one in self.features.items() if one.owns(path))

    def gone_values(self, left_out: Collection[str]) -> dict[str, frozenset[str]]:
        """By attribute, the values that it has no longer."""
        found: dict[str, set[str]] = {kind: set() for kind in self.kinds}
        for name in left_out:
            for kind, value in self.features[name].values.items():
                found[kind] |= {value} if isinstance(value, str) else set(value)
        return {kind: frozenset(values) for kind, values in found.items()}


def _goes_with(feature: Feature, gone: set[str]) -> bool:
    return bool(gone & set(feature.needs)) or (bool(feature.only_for) and gone.issuperset(feature.only_for))


def read_features(path: Path = FEATURES) -> Features:
    """Read `features.toml`."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return Features(
        features={name: _feature(name, said) for name, said in content["features"].items()},
        core=tuple(content["core"]["files"]),
        one_of=tuple(tuple(group) for group in content["one_of"]),
        kinds={kind: tuple(values) for kind, values in content["kinds"].items()},
        imports={name: tuple(said) for name, said in content["packages"]["imports"].items()},
        tools=tuple(content["packages"]["tools"]),
        makers=tuple(content["makers"]),
        starts=tuple(content["starts"]),
        kept=tuple(content["core"]["kept"]),
    )


def _feature(name: str, said: dict[str, Any]) -> Feature:
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    lines = {path: tuple(found) for path, found in said.get("lines", {}).items()}
    return Feature(name=name, **(lists | {"lines": lines}))


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    """A glob as an expression: `**` is any number of folders, `*` stays in one, `{a,b}` is one of them."""
    parts = re.split(r"(\*\*/?|\*|\{[^}]*\})", glob)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile(
        "".join(
            words[part]
            if part in words
            else f"(?:{'|'.join(map(re.escape, part[1:-1].split(',')))})"
            if part.startswith("{")
            else re.escape(part)
            for part in parts
        )
    )
