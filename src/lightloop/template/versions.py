"""Which versions of the template there are, and where in its history."""

import re
import tomllib
from dataclasses import dataclass
from functools import total_ordering
from pathlib import Path
from typing import Final

from lightloop.errors import UsageError
from lightloop.template.repository import git, git_or_none

TAG: Final = "template-v"
# Written so that another name of this package is no other name of the template's.
PACKAGE: Final = "light" + "loop"
KNOWN: Final = f"src/{PACKAGE}/template/versions.toml"
CHANGES: Final = "CHANGELOG.md"


@total_ordering
@dataclass(frozen=True)
class Version:
    """A version of the template: three numbers.

    Examples:
        >>> Version.read("0.10.0") > Version.read("0.9.1")
        True
    """

    numbers: tuple[int, int, int]

    @classmethod
    def read(cls, text: str) -> "Version":
        """A version as people write it, with or without `v`.

        Raises:
            UsageError: it is none.
        """
        found = re.fullmatch(rf"(?:{TAG}|v)?(\d+)\.(\d+)\.(\d+)", text.strip())
        if not found:
            raise UsageError(f"a version of the template is three numbers such as 0.6.0, but this is {text!r}")
        return cls((int(found[1]), int(found[2]), int(found[3])))

    def __lt__(self, other: "Version") -> bool:
        return self.numbers < other.numbers

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers))


def versions(repository: Path, tip: str) -> dict[Version, str]:
    """The versions in the template's history, oldest first, each with its commit.

    A tag `template-vX.Y.Z` is what says it. Tags may not travel with a clone: where there is none, the list in
    `versions.toml` of the newest tree says it for versions before tags, and for others the last commit on the way to
    `tip` whose `pyproject.toml` has that version.

    Args:
        repository: of the template.
        tip: the newest commit.
    """
    found = dict(_by_pyproject(repository, tip))
    listed = git_or_none(repository, "show", f"{tip}:{KNOWN}")
    if listed is not None:
        found |= {Version.read(name): commit for name, commit in tomllib.loads(listed)["versions"].items()}
    for line in git(repository, "tag", "--list", f"{TAG}*", "--format=%(refname:short)").split():
        if re.fullmatch(rf"{TAG}\d+\.\d+\.\d+", line):
            found[Version.read(line)] = git(repository, "rev-parse", f"{line}^{{commit}}").strip()
    return {version: found[version] for version in sorted(found) if _has(repository, found[version])}


def choose(known: dict[Version, str], wanted: str | None) -> Version:
    """The version that is named, or the newest.

    Raises:
        UsageError: there is no such version.
    """
    if not known:
        raise UsageError("the template's history holds no version: is it the template's repository?")
    if wanted is None:
        return max(known)
    version = Version.read(wanted)
    if version not in known:
        raise UsageError(f"the template has no version {version}: it has {', '.join(map(str, known))}")
    return version


def notes(changelog: str, after: Version, upto: Version) -> list[tuple[Version, str]]:
    r"""What the changelog says of the versions between two, oldest first.

    Args:
        changelog: a part `## X.Y.Z` a version.
        after: the version that one has.
        upto: the version that one gets.

    Examples:
        >>> text = "# Changes\n\n## 0.2.0\n\nNew.\n\n## 0.1.0\n\nFirst.\n"
        >>> [(str(version), text) for version, text in notes(text, Version.read("0.1.0"), Version.read("0.2.0"))]
        [('0.2.0', 'New.')]
    """
    parts = re.split(r"(?m)^## v?(\d+\.\d+\.\d+)\b.*$", changelog)[1:]
    read = {Version.read(name): text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}
    return [(version, read[version]) for version in sorted(read) if after < version <= upto]


def version_of(pyproject: str) -> Version | None:
    """The version that a `pyproject.toml` says; None where it says none of three numbers."""
    found = re.search(r'(?m)^version = "(\d+\.\d+\.\d+)"$', pyproject)
    return Version.read(found[1]) if found else None


def _by_pyproject(repository: Path, tip: str) -> list[tuple[Version, str]]:
    """Each version with the last commit that has it, seen from the tip: later entries are not overwritten."""
    found: dict[Version, str] = {}
    newest = tip
    for commit in git(repository, "log", "--first-parent", "--format=%H", tip, "--", "pyproject.toml").split():
        version = version_of(git(repository, "show", f"{commit}:pyproject.toml"))
        if version is not None:
            found.setdefault(version, newest)
        # What came before this commit had another pyproject.toml, perhaps another version.
        newest = (git_or_none(repository, "rev-parse", "--verify", f"{commit}^") or "").strip()
    return list(found.items())


def _has(repository: Path, commit: str) -> bool:
    return git_or_none(repository, "cat-file", "-e", f"{commit}^{{commit}}") is not None
