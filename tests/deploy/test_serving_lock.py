"""What a container installs: pinned as the project pins it, whole, and without torch."""

import re
import tomllib
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from small_project import REPOSITORY

PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+?)(?: ; (.+?))? ?\\?$", re.MULTILINE)
LOCK = (REPOSITORY / "deploy" / "requirements.lock").read_text(encoding="utf-8")
# What tokenizers names as dependencies, and loads only to fetch from the hub; scripts/lock_serving.sh says so.
HUB = {"huggingface-hub"}


def pins(text: str) -> set[tuple[str, str]]:
    return {(canonicalize_name(name), version) for name, version, _ in PINNED.findall(text)}


def group() -> list[Requirement]:
    content = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return [Requirement(line) for line in content["dependency-groups"]["serve"]]


def test_every_pin_is_the_project_s_own_and_has_hashes():
    ours, theirs = pins((REPOSITORY / "requirements.lock").read_text(encoding="utf-8")), pins(LOCK)
    assert len(theirs) > 20
    assert theirs - ours == set()
    blocks = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_it_is_current():
    """Each requirement of the group is pinned to a version that fits, and so is what each of those needs on Linux."""
    pinned = dict(pins(LOCK))
    asked, seen = [(one, "pyproject.toml") for one in group()], set()
    while asked:
        requirement, by = asked.pop()
        name = canonicalize_name(requirement.name)
        if name in HUB or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        assert name in pinned, f"{by} needs {name}: run `make lock`"
        assert any(
            requirement.specifier.contains(version, prereleases=True) for one, version in pins(LOCK) if one == name
        )
        if name not in seen:
            seen.add(name)
            asked += [(Requirement(line), name) for line in requires(name) or []]
    # Nothing else; what is for other systems and Pythons stands there too.
    others = {line.split("==")[0] for line in LOCK.splitlines() if " ; " in line}
    assert set(pinned) - seen - {canonicalize_name(name) for name in others} == set()


@pytest.mark.parametrize("name", ["torch", "pytorch-lightning", "scikit-learn", "pandas", "onnx", "dvc", *HUB])
def test_what_serves_nobody_is_not_there(name: str):
    assert name not in dict(pins(LOCK))
