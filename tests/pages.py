"""The pages of the project as Markdown says them: blocks, commands, links, titles."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from small_project import REPOSITORY

DOCS = REPOSITORY / "docs"
# What a line of a block begins with when a person is to type it; variables may stand before.
PROGRAMS = ("lightloop", "make", "python", "python3", "git", "dvc", "gto", "gh", "docker", "kubectl", "serve", "curl")
PROGRAMS += ("pip", "uv", "pytest", "ruff", "mypy", "cp", "cd", "export", "jupyter", ".")
TYPED = re.compile(rf"(?:[A-Z_]+=\S+ +)*({'|'.join(map(re.escape, PROGRAMS))})(?= |$)")
SHELL = ("sh", "bash", "console", "shell")


@dataclass(frozen=True)
class Block:
    """A code block: its language (empty where none is said), its text, and its line in the page."""

    language: str
    text: str
    line: int


def pages() -> list[str]:
    """Every page, relative to the project: those at its top, and docs/."""
    found = [*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")]
    return sorted(path.relative_to(REPOSITORY).as_posix() for path in found)


@cache
def tokens(page: str) -> tuple[Token, ...]:
    markdown = MarkdownIt("commonmark").enable("table")
    return tuple(markdown.parse((REPOSITORY / page).read_text(encoding="utf-8")))


def blocks(page: str) -> list[Block]:
    """The code blocks of a page, fenced and indented."""
    return [
        Block(token.info.strip(), token.content, (token.map or [0])[0] + 1)
        for token in tokens(page)
        if token.type in ("fence", "code_block")
    ]


def commands(page: str) -> list[str]:
    """What a person is to type, line by line: of shell blocks all, of those without a language what begins so.

    Comments are gone, lines that go on are joined, and what a here-document holds is part of its command.
    """
    found = []
    for block in blocks(page):
        if block.language in SHELL:
            found += list(lines(block.text))
        elif not block.language:
            found += [line for line in lines(block.text) if TYPED.match(line)]
    return found


def lines(text: str) -> Iterator[str]:
    """The commands of a shell block.

    >>> list(lines("# about\\nmake run  # all\\ngh api \\\\\\n  -f a=b\\n"))
    ['make run', 'gh api -f a=b']
    """
    held, until = "", ""
    for raw in text.splitlines():
        if until:
            held += f"\n{raw}"
            until = "" if raw == until else until
        else:
            line = re.sub(r"(^|\s)#(?!\d).*", "", raw).strip()
            held = f"{held} {line}".strip()
            if here := re.search(r"<<'?(\w+)'?$", held):
                until = here[1]
        if held.endswith(("\\", "|", "; do", "do")) and not until:
            held = held.removesuffix("\\").strip()
            continue
        if held and not until and held.count("; do") == held.count("done"):
            yield held
            held = ""


def spans(page: str) -> list[str]:
    """The code between backticks within the text of a page."""
    return [child.content for token in tokens(page) for child in token.children or () if child.type == "code_inline"]


def links(page: str) -> list[str]:
    """Where links and pictures of a page lead."""
    children = [child for token in tokens(page) for child in token.children or ()]
    found = [
        child.attrGet("href") or child.attrGet("src") for child in children if child.type in ("link_open", "image")
    ]
    return [str(link) for link in found if link]


def anchors(page: str) -> set[str]:
    """What can be linked in a page, by the names that GitHub gives titles."""
    found: dict[str, int] = {}
    names = set()
    for here, following in zip(tokens(page), tokens(page)[1:], strict=False):
        if here.type == "heading_open":
            text = "".join(
                child.content for child in following.children or () if child.type in ("text", "code_inline", "image")
            )
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            names.add(slug if slug not in found else f"{slug}-{found[slug]}")
            found[slug] = found.get(slug, 0) + 1
    return names


def words(line: str, program: str) -> Iterator[list[str]]:
    """The words of each call of a program in a command line, without the program's own name.

    >>> list(words("A=1 lightloop run x=y && git status", "lightloop"))
    [['run', 'x=y']]
    """
    for part in re.split(r"&&|\|\||[|;]", line.split("\n", maxsplit=1)[0]):
        try:
            found = shlex.split(part)
        except ValueError:
            continue
        while found and re.fullmatch(r"[A-Z_]+=.*", found[0]):
            found = found[1:]
        if found and found[0] == program:
            yield found[1:]
