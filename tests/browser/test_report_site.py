"""The report in a real browser, opened from disk: what the templates' tests can't see."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request
from report_evidence import Story, tell

from lightloop.project import Project
from lightloop.stages.report import report

pytestmark = pytest.mark.browser

WIDTHS = (360, 768, 1440)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a-very-long-class-name-that-has-no-place-to-break",
)
STORIES = {
    "refused": Story(accepted=False, champion=True, violations=2, trusted=("grad_cam",)),
    "hostile": Story(classes=HOSTILE, channels=3),
    "many": Story(classes=tuple(f"class {number}" for number in range(60)), per_class=4),
    "little": Story(without=("explanation", "audit", "parity", "bundle", "docs", "profile"), error=0.0),
}


@pytest.fixture(scope="module", params=["real", *STORIES])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run: a real one, and made-up ones of other kinds."""
    if request.param == "real":
        finished: Project = request.getfixturevalue("finished")
        return finished.reports / "index.html"
    config, project = tell(tmp_path_factory.mktemp(request.param), STORIES[request.param])
    report(config, project)
    return project.reports / "index.html"


@dataclass
class Visit:
    """An open page and what happened while it was open."""

    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def lost(self, request: Request) -> None:
        # Leaving a page aborts what it was still reading; that is no fault of the page.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(request.url)

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture
def visit(browser: Browser, site: Path) -> Iterator[Visit]:
    with browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light") as context:
        page = context.new_page()
        visit = Visit(page)
        page.on("console", lambda message: visit.faults.append(message.text))
        page.on("pageerror", lambda error: visit.faults.append(str(error)))
        page.on("requestfailed", visit.lost)
        page.on("dialog", lambda dialog: visit.faults.append(dialog.message))
        page.on("request", lambda request: visit.requests.append(request.url))
        page.goto(site.as_uri())
        yield visit


def test_it_opens_without_a_fault_and_without_the_network(visit: Visit) -> None:
    visit.ask("for (const details of document.querySelectorAll('details')) details.open = true")
    visit.ask("for (const image of document.images) image.loading = 'eager'")
    visit.page.wait_for_function("[...document.images].every((image) => image.complete)")

    assert visit.faults == []
    assert [url for url in visit.requests if not url.startswith("file:")] == []
    assert visit.ask("[...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)") == []


def test_every_link_resolves(visit: Visit, site: Path) -> None:
    links = visit.ask("[...document.querySelectorAll('a[href]')].map((link) => link.getAttribute('href'))")

    assert "model-card.md" in links
    for link in links:
        target, _, anchor = link.partition("#")
        assert not target or (site.parent / target).is_file(), link
        assert not anchor or visit.ask(f"!!document.getElementById('{anchor}')"), link


def test_data_docs_open_without_a_fault_and_without_the_network(visit: Visit, site: Path) -> None:
    docs = site.parent / "data-docs" / "index.html"
    if docs.exists():
        visit.page.goto(docs.as_uri())

    assert visit.faults == []
    assert [url for url in visit.requests if not url.startswith("file:")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(visit: Visit, scheme: Any) -> None:
    visit.page.emulate_media(color_scheme=scheme)
    visit.ask("for (const details of document.querySelectorAll('details')) details.open = true")
    for width in WIDTHS:
        visit.page.set_viewport_size({"width": width, "height": 800})

        assert visit.ask("document.documentElement.scrollWidth") == width
        visit.ask("scrollTo(9999, 0)")
        assert visit.ask("scrollX") == 0


# Text against the nearest painted background, by the formula of WCAG 2.2; colours are resolved by a canvas.
CONTRAST = """
() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const resolve = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let node = element; node; node = node.parentElement) {
      const colour = resolve(getComputedStyle(node).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const weak = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest('.hidden, script, style')) continue;
    const style = getComputedStyle(element);
    const ink = resolve(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element.closest('svg') ?? element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) weak.set(element.outerHTML.slice(0, 90), ratio);
  }
  return [...weak];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_background(visit: Visit, scheme: Any) -> None:
    visit.page.emulate_media(color_scheme=scheme)
    visit.ask("for (const details of document.querySelectorAll('details')) details.open = true")

    assert visit.ask(CONTRAST) == []


def test_the_toggle_turns_the_page_and_is_remembered(visit: Visit) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    button = visit.page.get_by_role("button", name="Dark")
    before = visit.ask(paper)

    button.click()

    assert visit.ask(paper) != before
    assert button.get_attribute("aria-pressed") == "true"
    visit.page.reload()
    assert visit.ask(paper) != before
    visit.page.get_by_role("button", name="Dark").click()
    assert visit.ask(paper) == before


def test_charts_follow_the_theme(visit: Visit) -> None:
    ink = "getComputedStyle(document.querySelector('figure.chart svg text')).fill"
    still = visit.ask(ink)
    _look_at(visit, ".plot")

    light = visit.ask(ink)
    visit.page.emulate_media(color_scheme="dark")

    assert light == still
    assert visit.ask(ink) != light


def _look_at(visit: Visit, place: str) -> None:
    """Bring a chart into view and wait until it is alive."""
    visit.ask(f"document.querySelector('{place}').scrollIntoView({{ behavior: 'instant', block: 'center' }})")
    visit.page.wait_for_selector(f"{place}[data-drawn]")


def test_charts_are_built_when_they_are_looked_at(visit: Visit) -> None:
    far = "#explanations .plot"
    assert visit.ask("document.querySelectorAll('.plot svg').length === document.querySelectorAll('.plot').length")
    if visit.ask(f"!document.querySelector('{far}')"):
        far = "#evaluation .plot"
    assert not visit.ask(f"'drawn' in document.querySelector('{far}').dataset")

    _look_at(visit, far)

    assert visit.faults == []


def test_a_chart_says_its_values_to_pointer_and_keyboard(visit: Visit) -> None:
    _look_at(visit, ".plot")
    chart = visit.page.locator(".plot").first
    tip = visit.page.locator(".tip")
    (first, *_), *_ = visit.ask("JSON.parse(document.querySelector('figure script').textContent).usermeta.tips")

    chart.hover()
    assert tip.inner_text().startswith("epoch ")
    chart.focus()
    visit.page.keyboard.press("ArrowRight")
    visit.page.keyboard.press("ArrowLeft")
    for _ in range(50):
        visit.page.keyboard.press("ArrowLeft")
    assert tip.inner_text().startswith(f"epoch {first}\n")
    assert (visit.page.locator("body > [role=status]").text_content() or "").startswith(f"epoch {first}, ")
    visit.page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_a_series_can_be_switched_off(visit: Visit) -> None:
    _look_at(visit, ".plot")
    paths = "document.querySelector('.plot').innerHTML"
    before = visit.ask(paths)
    key = visit.page.locator("figure.chart").first.get_by_role("button", name="validation")

    key.focus()
    visit.page.keyboard.press("Space")

    assert key.get_attribute("aria-pressed") == "false"
    visit.page.wait_for_function(f"(before) => {paths} !== before", arg=before)


def test_errors_can_be_filtered(visit: Visit) -> None:
    if visit.ask("!document.querySelector('#mistakes .controls select')"):
        assert visit.page.locator("#mistakes li").count() <= 1
        return
    shown = "[...document.querySelectorAll('.mistakes > li')].filter((item) => item.checkVisibility())"
    every = visit.ask("document.querySelectorAll('.mistakes > li').length")
    label = visit.ask(f"{shown}[0].dataset.label")

    visit.page.locator("#mistakes select[name=label]").select_option(label)

    assert visit.ask(f"[...new Set({shown}.map((item) => item.dataset.label))]") == [label]
    found = visit.ask(f"{shown}.length")
    asked = (
        f"[...document.querySelectorAll('.mistakes > li')].filter((item) => item.dataset.label === {label!r}).length"
    )
    assert found == min(12, visit.ask(asked))
    assert visit.page.locator("#mistakes [role=status]").inner_text().endswith(f"of {every} records")
    visit.page.locator("#mistakes select[name=label]").select_option("")
    while (more := visit.page.locator("#mistakes .more-records")).is_visible():
        more.click()
    assert visit.ask(f"{shown}.length") == every


def test_a_mix_up_leads_to_its_records(visit: Visit) -> None:
    if visit.ask("!document.querySelector('a.pair')"):
        return
    visit.page.locator("a.pair").first.click()

    chosen = visit.ask("[...document.querySelectorAll('#mistakes select')].slice(0, 2).map((select) => select.value)")
    pair = visit.ask("(({ label, prediction }) => [label, prediction])(document.querySelector('a.pair').dataset)")
    assert chosen == pair


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit: Visit, scheme: Any, width: int) -> None:
    visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.ask("for (const details of document.querySelectorAll('details')) details.open = true")
    _look_at(visit, ".plot")

    found = Axe().run(visit.page)

    assert found.violations_count == 0, found.generate_report()


def test_focus_is_always_seen(visit: Visit) -> None:
    seen = """() => {
      const element = document.activeElement;
      if (element === document.body) return null;
      const shown = element.matches('.segments input') ? element.nextElementSibling : element;
      const style = getComputedStyle(shown);
      const box = shown.getBoundingClientRect();
      const drawn = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      return [drawn && box.width > 0, element.outerHTML.slice(0, 90)];
    }"""
    found = []
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        focus = visit.ask(seen)
        if focus is None:
            break
        found.append(focus)

    assert len(found) > 15
    assert [element for visible, element in found if not visible] == []
    assert "Skip to the report" in found[0][1]


def test_what_scrolls_can_be_reached_by_keyboard(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 360, "height": 800})
    visit.ask("for (const details of document.querySelectorAll('details')) details.open = true")

    stuck = visit.ask("""[...document.querySelectorAll('main *')]
      .filter((e) => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1)
      .filter((e) => e.tabIndex < 0).map((e) => e.outerHTML.slice(0, 90))""")

    assert stuck == []


def test_pictures_and_controls_have_names(visit: Visit) -> None:
    nameless = visit.ask("""[...document.querySelectorAll('img, svg[role=img], button, input, nav, [role=group]')]
      .filter((e) => !(e.alt || e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim()))
      .map((e) => e.outerHTML.slice(0, 90))""")

    assert nameless == []
    assert visit.ask("document.documentElement.lang") == "en"


def test_the_gallery_shows_the_chosen_method_and_only_mistakes(visit: Visit) -> None:
    gallery = visit.page.locator(".gallery")
    if gallery.count() == 0:
        assert "The explanation of the model is missing" in visit.page.inner_text("#explanations")
        return
    shown = "[...document.querySelectorAll('.records img[data-method]')].filter((image) => image.checkVisibility())"

    methods = visit.ask(
        "[...new Set([...document.querySelectorAll('.records img[data-method]')].map((i) => i.dataset.method))]"
    )
    assert len(methods) >= 3

    gallery.get_by_label("Integrated gradients").check()
    assert visit.ask(f"[...new Set({shown}.map((image) => image.dataset.method))]") == ["2"]
    gallery.get_by_label("All").check()
    assert visit.ask(f"new Set({shown}.map((image) => image.dataset.method)).size") == len(methods)
    gallery.get_by_label("Only mistakes").check()
    records = "[...document.querySelectorAll('.records > li')]"
    assert (
        visit.ask(f"{records}.filter((item) => item.checkVisibility() && item.classList.contains('right')).length") == 0
    )


def test_the_contents_follow_the_reader(visit: Visit) -> None:
    visit.ask("document.getElementById('evaluation').scrollIntoView({ behavior: 'instant' })")

    visit.page.wait_for_selector(".contents a[href='#evaluation'][aria-current]")


def test_it_is_whole_without_scripts(browser: Browser, site: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(site.as_uri())

        assert page.get_by_role("heading", level=1).is_visible()
        assert not page.get_by_role("button", name="Dark").is_visible()
        assert page.get_by_role("heading", name="Evaluation", level=2).is_visible()


def test_it_prints_light_and_without_controls(visit: Visit) -> None:
    visit.page.emulate_media(media="print", color_scheme="dark")

    assert not visit.page.get_by_role("button", name="Dark").is_visible()
    assert visit.ask("getComputedStyle(document.body).backgroundColor") == "rgb(248, 247, 243)"
