"""The browser of the browser tests; a test process runs one at a time."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser that LIGHTLOOP_CHROMIUM names, else the system's, else Playwright's own."""
    with sync_playwright() as playwright:
        path = os.environ.get("LIGHTLOOP_CHROMIUM") or shutil.which("chromium")
        try:
            found = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        except Error as error:
            reason = f"no browser to test with ({str(error).splitlines()[0]}): run `playwright install chromium`"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        yield found
        found.close()
