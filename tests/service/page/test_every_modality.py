"""The page at `/` in a real browser, asking a real service on loopback about a real bundle of each modality."""

from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import ANSWER, DESK, FAULT, PHONE, Running, Visit, visiting
from playwright.sync_api import Browser

from lightloop.serving.explainer import explain

pytestmark = pytest.mark.browser

# Parts of a drawn explanation, one for each part of the record.
DRAWN = {
    "pixels": "#explanation .overlaid rect",
    "tokens": "#explanation .tokens mark",
    "columns": "#explanation .weights li",
    "steps": "#explanation .weights li",
}


def test_an_example_is_answered_as_the_predictor_answers_it(visit: Visit) -> None:
    visit.ask_example()

    predictor = visit.running.loaded.predictor
    (expected,) = predictor.predict([visit.running.example])
    said = visit.text(ANSWER)
    if hasattr(expected, "label"):
        assert said.startswith(expected.label)
        assert f"{100 * expected.probability:.1f} %" in said
        assert visit.page.locator("#answer .bars li").count() == len(predictor.classes)
        assert visit.page.locator("#answer .tags li").all_inner_texts() == list(expected.possible)
        assert (visit.page.locator("#answer .abstains").count() == 1) is expected.abstains
    elif hasattr(expected, "values"):
        assert float(said.split()[0].replace(",", "")) == pytest.approx(expected.values[0], rel=1e-3)
        assert visit.page.locator("#answer .spot").count() == len(expected.values)
        assert visit.page.locator("#answer .band").count() == 1
    else:
        assert visit.page.locator("#answer .samples img").count() == 16
    assert "v1.2.3" in visit.text("#answer .meta")
    novelty = getattr(expected, "novelty", None)
    if novelty is not None:
        assert ("Unlike" in visit.text("#answer .novelty")) is novelty.novel


def test_the_explanation_is_drawn_part_by_part(visit: Visit) -> None:
    visit.ask_example()
    if not visit.explains:
        assert visit.page.locator("#explain").count() == 0
        return
    visit.explain()

    predictor = visit.running.loaded.predictor
    expected = explain(predictor, predictor.table([visit.running.example]))
    assert visit.page.locator(DRAWN[expected.noun]).count() == len(expected.names)
    visit.see("for (const details of document.querySelectorAll('#explanation details')) details.open = true")
    rows = visit.page.locator("#explanation .figures tbody tr").all_inner_texts()
    assert len(rows) == len(expected.names)
    # A minus on the page is a real one.
    shown = [float(row.split("\t")[1].replace("−", "-").replace(",", "")) for row in rows]
    np.testing.assert_allclose(shown, expected.values, rtol=0.02, atol=6e-5)


def test_nothing_comes_from_elsewhere_and_nothing_is_said_to_the_console(visit: Visit) -> None:
    visit.ask_example()
    if visit.explains:
        visit.explain()

    home = (visit.running.address, "data:")
    assert [one.url for one in visit.requests if not one.url.startswith(home)] == []
    assert visit.faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_axe_finds_nothing(browser: Browser, service: Running, scheme: Any, size: Any) -> None:
    with visiting(browser, service, viewport=size, color_scheme=scheme) as visit:
        visit.open().ask_example()
        if visit.explains:
            visit.explain()
        visit.see("for (const details of document.querySelectorAll('details')) details.open = true")
        found = Axe().run(visit.page, options={"resultTypes": ["violations"]})

    assert found.violations_count == 0, found.generate_report()


def test_nothing_is_wider_than_the_window(visit: Visit) -> None:
    visit.ask_example()
    if visit.explains:
        visit.explain()
    visit.see("for (const details of document.querySelectorAll('details')) details.open = true")
    for width in (320, 390, 768, 1440):
        visit.page.set_viewport_size({"width": width, "height": 800})

        assert visit.see("document.documentElement.scrollWidth") == width
        # Nor does anything leave its pane.
        outside = visit.see(
            "[...document.querySelectorAll('.pane *')].filter((one) => !one.closest('.scroll, .drop, .hidden, select')"
            " && one.getBoundingClientRect().right > one.closest('.pane').getBoundingClientRect().right + 1)"
            ".map((one) => one.outerHTML.slice(0, 80))"
        )
        assert outside == []


def test_the_keyboard_alone_suffices(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    assert visit.see("document.activeElement.className") == "skip"
    wanted = "#send" if not visit.explains else "#examples button"
    for _ in range(80):
        page.keyboard.press("Tab")
        if visit.see(f"document.activeElement.matches({wanted!r})"):
            break
    assert visit.see("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.wait_for_selector(ANSWER)
    # A screen reader hears of it.
    assert visit.see("document.querySelector('#status').textContent")


def test_the_answer_comes_into_sight_on_a_phone(browser: Browser, service: Running) -> None:
    with visiting(browser, service, viewport=PHONE) as visit:
        visit.open().ask_example()

        top = visit.see(f"document.querySelector({ANSWER!r}).getBoundingClientRect().top")
    assert 0 < top < PHONE["height"]


def test_cleared_is_as_it_was(visit: Visit) -> None:
    visit.ask_example()
    visit.page.click("button[type=reset]")

    assert visit.page.locator(ANSWER).count() == 0
    if visit.explains:
        visit.page.click("#send")
        visit.page.wait_for_selector(f"{FAULT}, {ANSWER}")
