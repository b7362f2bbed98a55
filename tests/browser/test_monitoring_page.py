"""The monitoring page in a real browser, opened from disk."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from monitoring_page import result
from playwright.sync_api import Browser

from lightloop.monitoring.page import write_page
from lightloop.project import Project

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(Project(tmp_path_factory.mktemp("monitoring")), result())


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it_from_disk(browser: Browser, page_of: Path, width: int, scheme: str):
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    opened.on("request", lambda asked: None if asked.url.startswith("file://") else faults.append(asked.url))
    opened.goto(page_of.as_uri())
    opened.locator("#columns .plot").first.scroll_into_view_if_needed()
    opened.wait_for_selector("#columns .plot[data-drawn]")
    assert faults == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    for details in opened.locator("details").all():
        details.evaluate("one => { one.open = true }")
    found = Axe().run(opened)
    assert found.violations_count == 0, found.generate_report()
    opened.close()


def test_a_bar_says_its_values_at_the_pointer(browser: Browser, page_of: Path):
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.goto(page_of.as_uri())
    plot = opened.locator("#columns .plot").first
    plot.scroll_into_view_if_needed()
    opened.wait_for_selector("#columns .plot[data-drawn]")
    plot.focus()
    opened.keyboard.press("ArrowRight")
    said = opened.locator(".tip").inner_text()
    assert "now" in said
    assert "then" in said
    opened.close()
