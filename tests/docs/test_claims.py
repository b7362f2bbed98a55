"""Every page with something to type or to run has a test that runs it: the list of `claims` is whole and true."""

from pathlib import Path

import pytest
from claims import ELSEWHERE, PAGES
from pages import blocks, commands, pages
from small_project import REPOSITORY


def shows_something_to_run(page: str) -> bool:
    return bool(commands(page)) or any(block.language == "python" for block in blocks(page))


def test_every_page_with_commands_is_claimed_by_a_test() -> None:
    told = {page for page in pages() if shows_something_to_run(page)}
    assert told - set(PAGES) == set(), "write a test that runs the page's commands, and name it in tests/claims.py"
    assert (set(PAGES) & set(pages())) - told == set(), "these pages have nothing to run any more"


@pytest.mark.parametrize("page", sorted(set(PAGES) & set(pages())))
def test_the_tests_are_there_and_read_the_page(page: str) -> None:
    for name in PAGES[page]:
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert Path(page).name in text, f"{name} does not read {page}"


def test_what_is_run_elsewhere_is_on_its_page_and_is_run_there() -> None:
    there = {page: told for page, told in ELSEWHERE.items() if page in pages()}
    assert there
    for page, told in there.items():
        assert set(told) <= set(commands(page)), page
        for line, (name, word) in told.items():
            assert word in (REPOSITORY / name).read_text(encoding="utf-8"), f"{line}: {name} has no {word}"


def test_a_page_that_nobody_claims_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PAGES, "AGENTS.md")
    with pytest.raises(AssertionError, match="write a test that runs the page's commands"):
        test_every_page_with_commands_is_claimed_by_a_test()
