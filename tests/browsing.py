"""A real service on loopback and a real browser that asks it, for the tests of the page."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from lightloop.config.serve import ServeConfig
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.slots import Slots

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
ANSWER, FAULT, EXPLANATION = "#answer .outcome", "#fault p", "#explanation h3"


@dataclass
class Running:
    """A service on loopback."""

    address: str
    loaded: Loaded

    @property
    def example(self) -> dict[str, Any]:
        return dict(self.loaded.models.examples[0])


@contextmanager
def serving(bundle: Path, settings: ServeConfig | None = None) -> Iterator[Running]:
    loaded = Loaded.open(bundle, "v1.2.3")
    settings = settings or ServeConfig(logs="none")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(build_app(Slots(loaded), settings), log_level="critical", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}", loaded)
        finally:
            server.should_exit = True
            thread.join(10)


@dataclass
class Visit:
    """An open page and what happened while it was open."""

    context: BrowserContext
    page: Page
    running: Running
    faults: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def open(self) -> "Visit":
        self.page.goto(self.running.address)
        expect(self.page.locator("#send")).to_be_enabled()
        return self

    def ask_example(self) -> "Visit":
        """The first example, or some samples."""
        self.page.locator("#examples button").first.click() if self.explains else self.page.click("#send")
        self.page.wait_for_selector(ANSWER)
        return self

    def explain(self) -> "Visit":
        self.page.click("#explain")
        self.page.wait_for_selector(EXPLANATION)
        return self

    @property
    def explains(self) -> bool:
        return self.running.loaded.predictor.manifest.explaining is not None

    def text(self, selector: str) -> str:
        return " ".join(self.page.locator(selector).first.inner_text().split())

    def see(self, script: str) -> Any:
        return self.page.evaluate(script)


@contextmanager
def visiting(browser: Browser, running: Running, **options: Any) -> Iterator[Visit]:
    with browser.new_context(**({"viewport": DESK, "color_scheme": "light"} | options)) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        visit = Visit(context, page, running)
        page.on("console", lambda message: visit.faults.append(message.text))
        page.on("pageerror", lambda error: visit.faults.append(str(error)))
        page.on("dialog", lambda dialog: visit.faults.append(dialog.message))
        page.on("request", lambda request: visit.requests.append(request))  # noqa: PLW0108 - it is marked by Playwright
        yield visit


@contextmanager
def at(browser: Browser, bundle: Path, **options: Any) -> Iterator[Visit]:
    with serving(bundle) as running, visiting(browser, running, **options) as visit:
        yield visit.open()
