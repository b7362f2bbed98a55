"""Every link between pages, to code and to titles leads somewhere, in the repository as on the site."""

import re

import pytest
from pages import DOCS, anchors, links, pages
from small_project import REPOSITORY


def broken(page: str) -> list[str]:
    """The links of a page within the project that lead nowhere."""
    found = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, anchor = link.partition("#")
        path = ((REPOSITORY / page).parent / target).resolve() if target else REPOSITORY / page
        if not path.exists() or not path.is_relative_to(REPOSITORY):
            found.append(f"{link}: no such file")
        elif anchor and path.suffix == ".md" and anchor not in anchors(path.relative_to(REPOSITORY).as_posix()):
            found.append(f"{link}: no such title")
    return found


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page: str) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    told = ["missing.md", "explain.md#no-such-title", "#no-such-title", "../../outside.md"]
    good = ["explain.md#the-checks", "../AGENTS.md#rules", "#the-checks", "https://example.invalid", "images/loop.svg"]
    monkeypatch.setitem(broken.__globals__, "links", lambda page: [*told, *good])

    assert [line.split(":")[0] for line in broken("docs/explain.md")] == told


def test_addresses_outside_are_no_http() -> None:
    plain = [f"{page}: {link}" for page in pages() for link in links(page) if link.startswith("http:")]
    assert [line for line in plain if "//localhost" not in line] == []


def test_every_picture_says_what_it_shows() -> None:
    pictures = {
        page: re.findall(r"!\[([^\]]*)\]\(", (REPOSITORY / page).read_text(encoding="utf-8")) for page in pages()
    }
    assert sum(map(len, pictures.values())) >= 2
    assert [page for page, said in pictures.items() if not all(said)] == []
    shown = {link.split("/")[-1] for page in pages() for link in links(page) if "images/" in link}
    assert {path.name for path in (DOCS / "images").iterdir()} == shown
