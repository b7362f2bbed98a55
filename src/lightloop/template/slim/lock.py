"""Smaller locks: what nothing asks for any more is no longer pinned; every other pin stays as it was."""

import re
from collections.abc import Collection

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==")
VIA = re.compile(r"^\s+#(?: via)?\s+(\S.*)$")


def canonical(name: str) -> str:
    """The name of a distribution as registries compare it.

    Examples:
        >>> canonical("Ruamel.Yaml_clib")
        'ruamel-yaml-clib'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def prune(lock: str, declared: Collection[str], project: str) -> tuple[str, tuple[str, ...]]:
    r"""A lock of `uv pip compile` without what `declared` and what that needs do not ask for, and what went.

    Args:
        lock: with its `# via` comments, from which the graph is read; nothing is fetched.
        declared: canonical names of the distributions that the project declares.
        project: its name, as the comments say it.

    Examples:
        >>> said = "    # via demo (pyproject.toml)\n"
        >>> lock = f"a==1\n{said}b==1\n    # via a\nc==2\n{said}"
        >>> prune(lock, {"c"}, "demo")
        ('c==2\n    # via demo (pyproject.toml)\n', ('a', 'b'))
    """
    head, blocks = _blocks(lock)
    asked = {name: _askers(block) for name, block in blocks.items()}
    root = f"{project} (pyproject.toml)"
    kept = {name for name in blocks if name in declared and root in asked[name]}
    while more := {name for name in blocks if kept & asked[name]} - kept:
        kept |= more
    text = head + "".join(
        _without_askers(block, kept, declared, name, root) for name, block in blocks.items() if name in kept
    )
    return text, tuple(name for name in blocks if name not in kept)


def keep_only(lock: str, kept: Collection[str]) -> str:
    """A lock without comments, with only the pins that stand in another lock too."""
    head, blocks = _blocks(lock)
    return head + "".join(block for name, block in blocks.items() if name in kept)


def pinned(lock: str) -> tuple[str, ...]:
    """The distributions that a lock pins."""
    return tuple(_blocks(lock)[1])


def _blocks(lock: str) -> tuple[str, dict[str, str]]:
    """What stands before the first pin, and the lines of each; two pins of one name, for two platforms, are one."""
    head, name = "", ""
    blocks: dict[str, str] = {}
    for line in lock.splitlines(keepends=True):
        found = PIN.match(line)
        if found:
            name = canonical(found[1])
        if name:
            blocks[name] = blocks.get(name, "") + line
        else:
            head += line
    return head, blocks


def _askers(block: str) -> set[str]:
    found = (VIA.match(line) for line in block.splitlines())
    names = {match[1].strip() for match in found if match and match[1] != "via"}
    return {name if " " in name else canonical(name) for name in names}


def _without_askers(block: str, kept: Collection[str], declared: Collection[str], name: str, root: str) -> str:
    """The block without comments about who no longer asks."""
    lines = block.splitlines(keepends=True)
    if all(asker in kept or (asker == root and name in declared) for asker in _askers(block)):
        return block
    pins = [line for line in lines if not line.lstrip().startswith("#")]
    askers = sorted(asker for asker in _askers(block) if asker in kept or (asker == root and name in declared))
    if not any(VIA.match(line) or line.strip() == "# via" for line in lines):
        return block
    said = (
        [f"    # via {askers[0]}\n"] if len(askers) == 1 else ["    # via\n", *(f"    #   {one}\n" for one in askers)]
    )
    return "".join([*pins, *said])
