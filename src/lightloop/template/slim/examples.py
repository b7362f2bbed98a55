"""What docstrings say of what is gone: examples that run it, entries of fields and parameters."""

import re
from collections.abc import Callable, Collection

SECTION = re.compile(r"^([ \t]*)Examples?:[ \t]*\n", re.M)
IMPORT = re.compile(r"^\s*(?:>>>|\.\.\.) from (\S+) import (.+)$", re.M)


def without_stale(docstring: str, gone: Callable[[str], bool], found: Callable[[str, str], bool]) -> str:
    r"""A docstring, quotes and all, without its examples where they name something that is gone.

    Args:
        docstring: as it stands in the source.
        gone: whether a name of the module, or a word, is gone.
        found: whether `from module import name` finds nothing.

    Examples:
        >>> quotes = '"' * 3
        >>> said = f"{quotes}Short.\n\n    Examples:\n        >>> x()\n    {quotes}"
        >>> without_stale(said, {"x"}.__contains__, lambda *_: False) == f"{quotes}Short.{quotes}"
        True
    """
    section = SECTION.search(docstring)
    if section is None:
        return docstring
    examples = docstring[section.end() :]
    lines = [line for line in examples.splitlines() if re.match(r"^\s*(?:>>>|\.\.\.)", line)]
    imported = [(match[1], name.strip()) for match in IMPORT.finditer(examples) for name in match[2].split(",")]
    stale = any(found(module, name.split(" ")[0]) for module, name in imported)
    words = {word for line in lines for word in re.findall(r"[A-Za-z_][\w-]*", line)}
    if not stale and not any(gone(word) for word in words - {name.split(" ")[-1] for _, name in imported}):
        return docstring
    quotes = docstring[-3:]
    before = docstring[: section.start()].rstrip()
    return f"{before}{quotes}" if "\n" not in before else f"{before}\n{section[1]}{quotes}"


def without_entries(docstring: str, names: Collection[str]) -> str:
    r"""A docstring without what it says of these fields or parameters.

    Examples:
        >>> without_entries("Short.\n\n    Args:\n        a: one,\n            long.\n        b: two.\n    ", {"a"})
        'Short.\n\n    Args:\n        b: two.\n    '
        >>> without_entries("Short.\n\n    Args:\n        a: one.\n\n    Returns:\n        b.\n    ", {"a"})
        'Short.\n\n    Returns:\n        b.\n    '
    """
    for name in names:
        docstring = re.sub(rf"^([ \t]+){re.escape(name)}: .*\n(?:\1[ \t]+\S.*\n)*", "", docstring, flags=re.M)
    if names:
        docstring = re.sub(
            r"^[ \t]*(?:Args|Attributes):[ \t]*\n(?:[ \t]*\n|(?=[ \t]*\"{3}|[ \t]*$))", "", docstring, flags=re.M
        )
    return docstring
