"""Lists of links are the order of the pages: what an index page lists is its part of the site, and of llms.txt."""

import re
from dataclasses import dataclass
from pathlib import Path

ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)#:]+\.md)\)(?:: (.*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Item:
    """A line of a list: `- [title](page): note`."""

    title: str
    page: str
    note: str


def items(text: str) -> list[Item]:
    """The pages that a text lists, in order.

    Examples:
        >>> items("- [Serving](serving.md): over HTTP.")
        [Item(title='Serving', page='serving.md', note='over HTTP.')]
    """
    return [Item(title, page, note) for title, page, note in ITEM.findall(text)]


def tree(text: str) -> str:
    r"""What tells Sphinx that the listed pages lie below this one, by the titles that they stand under.

    Examples:
        >>> tree("# All\n- [Serving](serving.md)").split()
        ['```{toctree}', ':hidden:', 'serving', '```']
    """
    found = ""
    for part in re.split(r"^## ", text, flags=re.MULTILINE):
        pages = "\n".join(item.page.removesuffix(".md") for item in items(part))
        caption = "" if part.startswith("# ") else f":caption: {part.splitlines()[0]}\n"
        found += f"\n```{{toctree}}\n:hidden:\n{caption}\n{pages}\n```\n" if pages else ""
    return found


def within(text: str) -> str:
    """The text with links to pages outside of docs/ as words, since the site lacks them; but it has the changes.

    Examples:
        >>> within("[changes](../CHANGELOG.md), [why](../README.md#layout), [it](serving.md)")
        '[changes](changes.md), why, [it](serving.md)'
    """
    text = text.replace("](../CHANGELOG.md)", "](changes.md)")
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+[\w-]+\.(?:md|txt)(?:#[^)]*)?\)", r"\1", text)


def llms(docs: Path, about: dict[str, str], *, to_page: str = "docs/{}", extra: str = "") -> str:
    """The text of llms.txt (llmstxt.org): what the project is, and each page with a sentence.

    Args:
        docs: folder of the pages.
        about: `name` and `description` of the project.
        to_page: how a page is linked.
        extra: lines between summary and lists.
    """
    lines = [f"# {about['name'].capitalize()}", "", f"> {about['description']}", ""]
    lines += [extra, ""] if extra else []
    for start in items((docs / "index.md").read_text(encoding="utf-8")):
        folder = Path(start.page).parent
        below = items((docs / start.page).read_text(encoding="utf-8"))
        lines += [f"## {start.title}", ""]
        for item, where in [(start, Path()), *((one, folder) for one in below)]:
            said = f": {item.note}" if item.note else ""
            lines.append(f"- [{item.title}]({to_page.format((where / item.page).as_posix())}){said}")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"
