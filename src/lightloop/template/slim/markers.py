"""Blocks that a syntax tree can't judge: they stand between `# feature: NAME` and `# end` in the file itself.

In Python it is `# of feature: NAME`, which the linter does not take for code, in Markdown and HTML a comment of theirs:
`<!-- feature: NAME -->`. A block of several features, with commas, goes with the first of them that is left out.
`# without: NAME` is a block of comments that becomes text without it.
"""

import re
from collections.abc import Collection

# Files in which such blocks may stand.
MARKED = (".py", ".yaml", ".yml", ".md", ".toml", ".sh", ".html", ".j2", "Makefile", "Dockerfile", ".js", ".txt")
START = re.compile(r"^\s*(?:#|<!--|//|\{#)\s*(?:of )?(feature|without): ([a-z, ]+?)\s*(?:-->|#\})?$")
END = re.compile(r"^\s*(?:#|<!--|//|\{#) end(?: [a-z, ]+)?\s*(?:-->|#\})?$")


def cut_marked(text: str, left_out: Collection[str]) -> str:
    r"""The text without the blocks of features that are left out; the marks of what stays stay.

    Raises:
        ValueError: a block has no end.

    Examples:
        >>> print(cut_marked("a\n# feature: wandb\nb\n# end\nc", {"wandb"}))
        a
        c
        >>> print(cut_marked("# without: github\n# key: value\n# end", {"github"}))
        key: value
    """
    if "feature: " not in text and "without: " not in text:
        return text
    kept: list[str] = []
    inside: tuple[str, bool] | None = None
    for line in text.split("\n"):
        start = START.match(line)
        if inside is None and start:
            gone = any(name.strip() in left_out for name in start[2].split(","))
            inside = (start[1], gone)
            if not gone:
                kept.append(line)
        elif inside and END.match(line):
            if not inside[1]:
                kept.append(line)
            inside = None
        elif inside is None or not inside[1]:
            kept.append(line)
        elif inside == ("without", True):
            kept.append(re.sub(r"^(\s*)# ?", r"\1", line))
    if inside is not None:
        raise ValueError("a block of a feature has no end: write `# end` after it")
    return "\n".join(kept)


def without_marks(text: str) -> str:
    r"""The text with every block that stands there, without the marks: in a project nothing is left out any more.

    Raises:
        ValueError: a block has no end.

    Examples:
        >>> print(without_marks("a\n# feature: wandb\nb\n# end\n# without: github\n# key: value\n# end\nc"))
        a
        b
        c
    """
    if "feature: " not in text and "without: " not in text:
        return text
    kept: list[str] = []
    inside: str | None = None
    for line in text.split("\n"):
        start = START.match(line)
        if inside is None and start:
            inside = start[1]
        elif inside is not None and END.match(line):
            inside = None
        elif inside != "without":
            kept.append(line)
    if inside is not None:
        raise ValueError("a block of a feature has no end: write `# end` after it")
    return "\n".join(kept)
