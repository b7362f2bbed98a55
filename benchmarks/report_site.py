"""How large a report is and how fast it opens from disk: `python benchmarks/report_site.py [reports]`.

In headless Chromium. Prints the size of the folder, and of RUNS fresh visits the median time from the start of the
navigation to the load event, and to the moment when all charts in view are alive. Takes the browser that
LIGHTLOOP_CHROMIUM names.
"""

import os
import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

RUNS = 7
ALIVE = """async () => {
  const inView = [...document.querySelectorAll('.plot')].filter((plot) => {
    const box = plot.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  });
  while (inView.some((plot) => !('drawn' in plot.dataset))) await new Promise(requestAnimationFrame);
  return [inView.length, performance.now()];
}"""


def main(reports: Path) -> None:
    size = sum(file.stat().st_size for file in reports.rglob("*") if file.is_file())
    print(f"size: {size / 1e6:.2f} MB, of it the page {(reports / 'index.html').stat().st_size / 1e6:.2f} MB")
    executable = os.environ.get("LIGHTLOOP_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for anchor in ("", "#training"):
            loads, alive, charts = [], [], 0
            for _ in range(RUNS):
                with browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce") as context:
                    page = context.new_page()
                    page.goto((reports / "index.html").resolve().as_uri() + anchor)
                    charts, moment = page.evaluate(ALIVE)
                    alive.append(moment)
                    loads.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            where = f"opened at {anchor}" if anchor else "opened at the top"
            print(
                f"{where}: load event {statistics.median(loads):.0f} ms, "
                f"{charts} charts in view alive {statistics.median(alive):.0f} ms (median of {RUNS})"
            )
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("reports"))
