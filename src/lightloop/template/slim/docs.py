"""Documentation without what it says of things that are gone: a command, an option, a file, a page.

What falls is the smallest part that stands by itself: a row of a table, an entry of a list, a line of a block of
commands, a paragraph. A section of which nothing is left falls too.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from lightloop.template.slim.features import Features

FENCE = re.compile(r"^\s*```")
HEADING = re.compile(r"^(#+) ")
ENTRY = re.compile(r"^\s*(?:[-*]|\d+\.) ")


def cut_docs(now: dict[str, str], before: Mapping[str, str], features: Features, left_out: Collection[str]) -> None:
    """Cut every page of Markdown."""
    said = [re.compile(one) for name in left_out for one in features.features[name].said]
    lost = {path for path in before if path not in now}
    names = _lost_names(lost, now)
    options = {option for name in left_out for option in features.features[name].options}
    said += [re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") for name in sorted(names)]
    said += [
        re.compile(rf"=(?:[\w,-]+,)?{re.escape(option)}(?![\w-])|`{re.escape(option)}`") for option in sorted(options)
    ]
    if not said:
        return
    for path, text in list(now.items()):
        if path.endswith(".md") and not path.startswith("src/"):
            now[path] = cut_page(text, said)


def _lost_names(lost: Collection[str], now: Collection[str]) -> set[str]:
    """Paths and rooms as pages name them: whole paths, names of pages, folders of which nothing is left."""
    found: set[str] = set()
    for path in lost:
        found.add(path)
        if path.startswith("docs/"):
            found.add(PurePosixPath(path).name)
        for folder in PurePosixPath(path).parents:
            if (
                folder.as_posix() != "."
                and len(folder.parts) > 1
                and not any(other.startswith(f"{folder}/") for other in now)
            ):
                found.add(folder.as_posix())
    return found


def cut_page(text: str, said: list[re.Pattern[str]]) -> str:
    r"""A page without the parts of which one of the expressions is true.

    Examples:
        >>> print(cut_page("# A\n\nSays x.\n\n- one\n- x\n\n## B\n\nx\n", [re.compile("x")]))
        # A
        <BLANKLINE>
        - one
        <BLANKLINE>
    """
    parts = [part for part in _parts(text) if part.startswith("#") or not any(one.search(part) for one in said)]
    parts = _without_empty_blocks(parts)
    parts = _without_empty_sections(parts, text)
    return re.sub(r"\n{3,}", "\n\n", "".join(parts)).rstrip("\n") + "\n" if parts else ""


def _parts(text: str) -> list[str]:
    """The smallest parts that stand by themselves; joined again they are the text."""
    parts: list[str] = []
    fenced = False
    for line in text.splitlines(keepends=True):
        if FENCE.match(line):
            fenced = not fenced
            parts.append(line)
        elif fenced or not line.strip() or HEADING.match(line) or line.startswith("|") or ENTRY.match(line):
            parts.append(line)
        elif (
            parts
            and parts[-1].strip()
            and not HEADING.match(parts[-1])
            and not parts[-1].startswith("|")
            and not FENCE.match(parts[-1])
        ):
            parts[-1] += line
        else:
            parts.append(line)
    return parts


def _without_empty_blocks(parts: list[str]) -> list[str]:
    """Without blocks of commands that have no line, and tables that have no row."""
    kept: list[str] = []
    fenced = False
    for place, part in enumerate(parts):
        if FENCE.match(part):
            fenced = not fenced
            if not fenced and kept and FENCE.match(kept[-1]):
                kept.pop()
                continue
        ruler = re.match(r"^\|[ :|-]+\|\s*$", part)
        if ruler and not fenced and not (place + 1 < len(parts) and parts[place + 1].startswith("|")):
            if kept and kept[-1].startswith("|"):
                kept.pop()
            continue
        kept.append(part)
    return kept


def _without_empty_sections(parts: list[str], text: str) -> list[str]:
    """Without headings below which nothing is left."""
    kept: list[str] = []
    for part in reversed(parts):
        match = HEADING.match(part)
        if match and len(match[1]) > 1:
            following = next((one for one in reversed(kept) if one.strip()), None)
            below = HEADING.match(following) if following is not None else None
            empty = following is None or (below is not None and len(below[1]) <= len(match[1]))
            if empty and not _was_empty(part, text):
                continue
        kept.append(part)
    return kept[::-1]


def _was_empty(heading: str, text: str) -> bool:
    """Whether nothing stood below a heading before the cut either."""
    after = text[text.index(heading) + len(heading) :].lstrip("\n")
    return not after or after.startswith("#")
