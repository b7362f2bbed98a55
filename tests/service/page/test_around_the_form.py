"""Keys, faults, theme and camera of the page, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import ANSWER, FAULT, PHONE, at, serving, visiting
from playwright.sync_api import Browser, expect
from tiny_bundles import grey

from lightloop.config.serve import ServeConfig
from lightloop.service.keys import add_key

pytestmark = pytest.mark.browser
Bundles = Callable[[str], Path]
PICTURE = grey(120)


def test_a_key_is_asked_for_and_kept_in_this_tab_alone(browser: Browser, bundles: Bundles, tmp_path: Path) -> None:
    _, secret = add_key(tmp_path / "keys.json", "page")
    settings = ServeConfig(keys=str(tmp_path / "keys.json"), logs="none")
    with serving(bundles("loans"), settings) as running, visiting(browser, running) as visit:
        page = visit.page
        page.goto(running.address)
        page.wait_for_selector(FAULT)
        expect(page.locator("#key")).to_be_focused()
        page.keyboard.type("ll_wrong")
        page.keyboard.press("Enter")
        expect(page.locator(FAULT)).to_contain_text("key")
        page.fill("#key", secret)
        page.keyboard.press("Enter")
        expect(page.locator("#send")).to_be_enabled()
        visit.ask_example()

        assert secret in visit.see("JSON.stringify({...sessionStorage})")
        assert secret not in visit.see("JSON.stringify({...localStorage}) + document.cookie + location.href")
        other = visit.context.new_page()
        other.goto(running.address)
        other.wait_for_selector(FAULT)
        assert other.evaluate("Object.keys(sessionStorage).length") == 0


def test_a_service_that_is_gone_is_said_to_be(browser: Browser, bundles: Bundles) -> None:
    with serving(bundles("loans")) as running, visiting(browser, running) as visit:
        visit.open()
        visit.context.set_offline(True)
        visit.page.click("#send")

        assert "did not answer" in visit.text(FAULT)
        visit.context.set_offline(False)
        visit.ask_example()
        assert visit.page.locator(FAULT).count() == 0


def test_the_theme_is_kept(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("loans")) as visit:
        visit.page.click("#theme")
        visit.page.reload()

        assert visit.see("document.documentElement.dataset.theme") == "dark"
        assert visit.page.locator("#theme").get_attribute("aria-pressed") == "true"


def test_a_phone_offers_its_camera(browser: Browser, bundles: Bundles) -> None:
    with at(browser, bundles("fashion"), viewport=PHONE, has_touch=True, is_mobile=True) as visit:
        assert visit.page.get_by_text("Take a photo").is_visible()
        assert visit.page.locator("input[capture=environment]").count() == 1
        photo = {"name": "photo.png", "mimeType": "image/png", "buffer": PICTURE}
        visit.page.set_input_files("input[capture=environment]", [photo])  # type: ignore[list-item]
        visit.page.wait_for_selector(ANSWER)
    with at(browser, bundles("fashion")) as visit:
        assert not visit.page.get_by_text("Take a photo").is_visible()
