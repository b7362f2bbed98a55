"""Documentation without what it says of things that are gone: a command, an option, a file, a page.

What falls is the smallest part that stands by itself: a row of a table, a line of a block of commands, something in
brackets, a sentence; an entry of a list whose first sentence falls. A section falls whose title speaks of it, or of
which nothing is left.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from lightloop.template.slim.features import Features

FENCE = re.compile(r"^\s*```")
HEADING = re.compile(r"^(#+) ")
ENTRY = re.compile(r"^\s*(?:[-*]|\d+\.) ")
INDENTED = re.compile(r"^ {4,}\S")
# What stands in brackets, links in it too; and what a sentence ends with.
BRACKETS = re.compile(r"\s\((?:[^()]|\([^()]*\))*\)")
SENTENCE = re.compile(r"((?<=[.!?])\s+(?=[A-Z`*\[\"'(]))")


def cut_docs(now: dict[str, str], before: Mapping[str, str], features: Features, left_out: Collection[str]) -> None:
    """Cut every page of Markdown."""
    said = [re.compile(one) for name in left_out for one in features.features[name].said]
    lost = {path for path in before if path not in now}
    names = _lost_names(lost, now)
    options = {option for name in left_out for option in features.features[name].options}
    said += [re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") for name in sorted(names)]
    # As the layout of the package lists its rooms.
    rooms = {PurePosixPath(name).name for name in names if name.startswith("src/") and "." not in name}
    said += [re.compile(rf"^ {{4,}}{re.escape(room)}/ ") for room in sorted(rooms)]
    said += [
        re.compile(rf"=(?:[\w,-]+,)?{re.escape(option)}(?![\w-])|`{re.escape(option)}`") for option in sorted(options)
    ]
    pages = [re.compile(rf"\]\([^)]*{re.escape(name)}[#)]") for name in sorted(names) if name.endswith(".md")]
    for path, text in list(now.items()):
        if path.endswith(".md") and not path.startswith("src/"):
            # Decisions are history: what was decided of something that is gone was decided.
            now[path] = cut_page(text, pages if path.startswith("docs/decisions/") else said)


def _lost_names(lost: Collection[str], now: Collection[str]) -> set[str]:
    """Paths and rooms as pages name them: whole paths, names of pages, folders of which nothing is left."""
    found: set[str] = set()
    for path in lost:
        found.add(path)
        if path.startswith(("docs/", ".github/workflows/")):
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
    kept = _without_sections(_parts(text), said)
    parts = [part if HEADING.match(part) else _less(part, said, prose=prose) for part, prose in kept]
    parts = _without_empty_blocks([part for part in parts if part])
    parts = _without_empty_sections(parts, text)
    return re.sub(r"\n{3,}", "\n\n", "".join(parts)).rstrip("\n") + "\n" if parts else ""


def _parts(text: str) -> list[tuple[str, bool]]:
    """The parts that stand by themselves, with whether they are sentences; joined again they are the text."""
    parts: list[tuple[str, bool]] = []
    fenced = False
    for line in text.splitlines(keepends=True):
        before, prose = parts[-1] if parts else ("\n", False)
        if FENCE.match(line):
            fenced = not fenced
            parts.append((line, False))
        elif (
            fenced
            or not line.strip()
            or HEADING.match(line)
            or line.startswith("|")
            or (INDENTED.match(line) and not prose and not HEADING.match(before) and not before.startswith("|"))
        ):
            parts.append((line, False))
        elif prose and not ENTRY.match(line):
            parts[-1] = (before + line, True)
        else:
            parts.append((line, True))
    return parts


def _less(part: str, said: list[re.Pattern[str]], *, prose: bool) -> str:
    """A part without the sentences of which one of the expressions is true; empty where nothing is left."""

    def speaks(text: str) -> bool:
        return any(one.search(text) for one in said)

    if not speaks(part):
        return part
    if not prose:
        return ""
    part = BRACKETS.sub(lambda match: "" if speaks(match[0]) else match[0], part)
    sentences = SENTENCE.split(part)
    if ENTRY.match(part) and speaks(sentences[0]):
        return ""
    kept = [(gap, one) for gap, one in zip(["", *sentences[1::2]], sentences[::2], strict=True) if not speaks(one)]
    text = "".join(gap + one if place else one for place, (gap, one) in enumerate(kept))
    return text.rstrip("\n") + "\n" if kept else ""


def _without_sections(parts: list[tuple[str, bool]], said: list[re.Pattern[str]]) -> list[tuple[str, bool]]:
    """Without sections whose titles speak of it."""
    kept: list[tuple[str, bool]] = []
    inside = 0
    fenced = False
    for part, prose in parts:
        fenced ^= bool(FENCE.match(part))
        found = None if fenced else HEADING.match(part)
        if found and (not inside or len(found[1]) <= inside):
            gone = len(found[1]) > 1 and any(one.search(part) for one in said)
            inside = len(found[1]) if gone else 0
        if not inside:
            kept.append((part, prose))
    return kept


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
