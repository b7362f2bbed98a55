"""The page over runs in a real browser, opened from disk."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from report_evidence import tell

from lightloop.project import Project
from lightloop.report.runs import update_runs

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Four runs of this clone, the accuracy of the second the highest and that of the third missing."""
    _, project = tell(tmp_path_factory.mktemp("runs"))
    for number, value in enumerate((0.8, 0.95, None, 0.9)):
        gate = json.loads(project.gate.read_text())
        project.gate.write_text(json.dumps(gate | {"bundle_digest": f"{number:064x}"}))
        metrics = json.loads(project.metrics.read_text())
        metrics["metrics"]["accuracy"] = {"value": value, "low": value and value - 0.02, "high": value and value + 0.02}
        project.metrics.write_text(json.dumps(metrics))
        update_runs(project)
    return project


def visit(browser: Browser, page: Path, *, width: int = 1280, scheme: str = "light") -> tuple[Page, list[str]]:
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    opened.on("request", lambda asked: None if asked.url.startswith("file://") else faults.append(asked.url))
    opened.goto(page.as_uri())
    opened.wait_for_selector(".plot[data-drawn]")
    return opened, faults


def column(page: Page, number: int) -> list[str]:
    script = f"[...document.querySelector('table.runs').tBodies[0].rows].map(row => row.cells[{number}].textContent)"
    return [str(text).split()[0] for text in page.evaluate(script)]


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it_from_disk(browser: Browser, written: Project, width: int, scheme: str):
    page, faults = visit(browser, written.runs_page, width=width, scheme=scheme)
    assert faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page)  # which asks for the stylesheet by itself
    assert found.violations_count == 0, found.generate_report()
    page.close()


def test_the_table_is_sorted_by_keyboard_and_says_so(browser: Browser, written: Project):
    page, faults = visit(browser, written.runs_page)
    assert column(page, 0) == ["4", "3", "2", "1"], "the newest first"
    head = page.get_by_role("columnheader", name="Accuracy", exact=True)
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert column(page, 5) == ["0.950", "0.900", "0.800", "–"]
    assert page.get_by_role("status").filter(has_text="highest first").count() == 1
    page.keyboard.press("Enter")
    assert column(page, 5) == ["0.800", "0.900", "0.950", "–"], "what is missing stays at the end"
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator("th[aria-sort]").count() == 1
    assert faults == []
    page.close()
