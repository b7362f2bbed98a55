"""The site in a real browser, from disk: no request, no fault, readable by everybody, found by the search."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import DOCS
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

PAGES = ("index", "tutorial", "how-to", "serving", "monitoring", "components", "commands", "python", "design")
PAGES += ("decisions/001-the-spine", "search")
PAGES = tuple(name for name in PAGES if name == "search" or (DOCS / f"{name}.md").exists())


@dataclass
class Visit:
    """An open page and what happened while it was open."""

    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light") as context:
        found = Visit(context.new_page())
        found.page.on("console", lambda message: message.type == "error" and found.faults.append(message.text))
        found.page.on("pageerror", lambda error: found.faults.append(str(error)))
        found.page.on("request", lambda request: found.requests.append(request.url))
        yield found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_fault_and_network_at_every_width(visit: Visit, site: Path, name: str) -> None:
    visit.page.goto((site / f"{name}.html").as_uri())
    visit.page.wait_for_load_state("networkidle")

    for width in (360, 768, 1280):
        visit.page.set_viewport_size({"width": width, "height": 800})
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.faults == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser: Browser, site: Path, name: str, scheme: Any) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        found = Axe().run(page).response["violations"]

    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_the_search_works_from_disk(visit: Visit, site: Path) -> None:
    visit.page.goto((site / "search.html").as_uri() + "?q=conformal")

    expect(visit.page.locator("#search-results li").first).to_be_visible()
    assert "predict" in " ".join(visit.page.locator("#search-results li a").evaluate_all("all => all.map(a => a.href)"))
    assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []


def test_the_toggle_makes_it_dark_and_keeps_it(visit: Visit, site: Path) -> None:
    visit.page.goto((site / "index.html").as_uri())
    before = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    for _ in range(3):
        if visit.page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
        visit.page.locator(".theme-switch-button:visible").first.click()
        dark = visit.page.get_by_role("menuitem", name="Dark").or_(
            visit.page.locator("[data-mode='dark'] >> visible=true")
        )
        if dark.count():
            dark.first.click()

    assert visit.page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    visit.page.goto((site / "how-to.html").as_uri())
    assert visit.page.evaluate("document.documentElement.dataset.theme") == "dark"
