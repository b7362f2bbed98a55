"""Take the picture of the report that the README shows: the top of the page, light, on a desktop.

    python scripts/screenshot_report.py reports/index.html docs/images/report.png

Takes the browser that LIGHTLOOP_CHROMIUM names, else the system's chromium, else Playwright's own.
"""

import argparse
import io
import os
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MOST_BYTES = 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=880)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--section", default="verdict", help="anchor of the section at the top of the picture")
    arguments = parser.parse_args()

    with sync_playwright() as playwright:
        executable = os.environ.get("LIGHTLOOP_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        page = browser.new_page(
            viewport={"width": arguments.width, "height": arguments.height},
            color_scheme="dark" if arguments.dark else "light",
            device_scale_factor=1.25,
            reduced_motion="reduce",
        )
        page.goto(arguments.page.resolve().as_uri())
        if arguments.section != "verdict":
            page.evaluate(f"document.getElementById('{arguments.section}').scrollIntoView()")
        page.wait_for_function("[...document.images].every((image) => image.loading === 'lazy' || image.complete)")
        page.wait_for_timeout(200)
        shot = page.screenshot()
        browser.close()

    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(shot)) as image:
        image.convert("RGB").save(arguments.picture, "PNG", optimize=True)
    octets = arguments.picture.stat().st_size
    print(f"{arguments.picture}: {octets:,} bytes")
    if octets > MOST_BYTES:
        raise SystemExit(f"{arguments.picture} has {octets:,} bytes, more than {MOST_BYTES:,}: take a smaller --height")


if __name__ == "__main__":
    main()
