"""Python and packages against what the lock pins."""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from lightloop.config.signature import PACKAGE
from lightloop.doctor.finding import Area, Finding
from lightloop.project import Project

AREA = Area("packages")
MEND = "make environment"
# Other builds of torch bring their own libraries for CUDA, or none.
OF_TORCH = ("nvidia-", "cuda-", "triton")


def look_at_packages(project: Project) -> Iterator[Finding]:
    """The version of Python, the packages, and whose code runs."""
    described = tomllib.loads((project.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    yield python(described.get("requires-python", ""), sys.version_info[:3])
    yield _whose(project)
    lock = project.root / "requirements.lock"
    if not lock.exists():
        yield AREA.look("lock", "requirements.lock is missing: another machine gets other versions", "make lock")
        return
    direct = {str(canonicalize_name(Requirement(line).name)) for line in described.get("dependencies", [])}
    yield packages(pinned(lock.read_text(encoding="utf-8")), installed(), direct)


def python(wanted: str, has: tuple[int, ...]) -> Finding:
    """Whether this version of Python is one that the project takes.

    Examples:
        >>> python(">=3.11,<3.14", (3, 10, 2)).state
        'broken'
    """
    name = ".".join(map(str, has))
    if not SpecifierSet(wanted).contains(name, prereleases=True):
        return AREA.broken(
            "python",
            f"this is Python {name}, and the project takes {wanted}",
            "rm -r .venv && make environment PYTHON=python3.12",
        )
    return AREA.ok("python", f"Python {name} at {sys.executable}")


def _whose(project: Project) -> Finding:
    """Whether the command line is that of this project: an environment holds the code of one."""
    own = (project.root / "src" / PACKAGE.name).resolve()
    if own.is_dir() and own != PACKAGE.resolve():
        return AREA.look(
            "code",
            f"the code that runs is {PACKAGE}, not this project's",
            "`make environment`, then `. .venv/bin/activate`",
        )
    return AREA.ok("code", f"{PACKAGE}")


def pinned(lock: str) -> dict[str, Version]:
    r"""The versions that a lock pins for this machine, by name.

    Examples:
        >>> pinned("numpy==2.4.1\n    # via x\nold==1.0 ; python_version < '3'\n")
        {'numpy': <Version('2.4.1')>}
    """
    found: dict[str, Version] = {}
    for line in lock.splitlines():
        if not re.match(r"[A-Za-z0-9]", line):
            continue
        try:
            requirement = Requirement(line.partition(" \\")[0])
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            (one,) = requirement.specifier
            found[canonicalize_name(requirement.name)] = Version(one.version)
    return found


def installed() -> dict[str, Version]:
    """The versions of what is installed, by name."""
    # Of what is there twice the first one counts, as it does for Python.
    found: dict[str, Version] = {}
    for one in distributions():
        if one.name:
            found.setdefault(canonicalize_name(one.name), Version(one.version))
    return found


def packages(wanted: Mapping[str, Version], has: Mapping[str, Version], direct: set[str]) -> Finding:
    """Whether what is installed is what the lock pins.

    Args:
        wanted: by the lock.
        has: what is installed.
        direct: packages without which the project does not run.
    """
    if not wanted:
        return AREA.broken("lock", "requirements.lock pins nothing", "git checkout requirements.lock, or make lock")
    other_torch = bool(has.get("torch") and has["torch"].local)
    relevant = {n: v for n, v in wanted.items() if not (other_torch and n.startswith(OF_TORCH))}
    absent = [name for name in relevant if name not in has]
    # A build such as 2.15.0+cpu is that version.
    other = [name for name, v in relevant.items() if name in has and has[name].public != v.public]
    if lost := sorted(direct.intersection(absent)):
        return AREA.broken(
            "lock", f"{_some(lost)} of requirements.lock {'is' if len(lost) == 1 else 'are'} not installed", MEND
        )
    if absent or other:
        parts = (
            [f"{len(absent)} of {len(relevant)} pinned packages are not installed ({_some(absent)})"] if absent else []
        )
        parts += (
            [f"{len(other)} have other versions ({_some([f'{n} {has[n]}, not {relevant[n]}' for n in other])})"]
            if other
            else []
        )
        return AREA.look("lock", " and ".join(parts), MEND)
    return AREA.ok("lock", f"all {len(relevant)} packages of requirements.lock, at its versions")


def _some(names: list[str], most: int = 3) -> str:
    shown = ", ".join(sorted(names)[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def folder_of_environment() -> Path:
    """Where programs of this environment lie."""
    return Path(sys.executable).parent
