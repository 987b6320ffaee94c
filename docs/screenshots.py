"""The pictures of README and docs, taken from a run as it is now.

    python docs/screenshots.py RUN

Writes report.png, dashboard.png and card.png beside this file. Needs the extra `test` (Playwright, Pillow comes with
matplotlib) and a Chromium; CHROMIUM names one that is not on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parent
HRFEVO = [sys.executable, "-m", "hrfevo.cli"]
WIDTH = 1200


def chromium() -> str:
    """Raises SystemExit if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    return found or sys.exit("no chromium here; CHROMIUM names one that is not on the PATH")


def take(page: Page, address: str, name: str, height: int, ready: str) -> None:
    """A picture of the top of a page, once `ready` is drawn."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(address)
    page.wait_for_selector(ready, timeout=60_000)
    page.wait_for_timeout(2000)  # figures settle
    page.screenshot(path=DOCS / name)
    print(DOCS / name)


def main(run: Path) -> None:
    subprocess.run([*HRFEVO, "report", str(run)], check=True, stdout=subprocess.DEVNULL)
    best = json.loads(subprocess.check_output([*HRFEVO, "best", str(run), "--top", "1", "--format", "json"]))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        card = Path(folder) / "card.html"
        show = [*HRFEVO, "show", str(run), best[0]["genome"], "--html", str(card)]
        subprocess.run(show, check=True, stdout=subprocess.DEVNULL)
        serve = [*HRFEVO, "dashboard", str(run), "--port", "0"]
        server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            page = browser.new_page()
            take(page, (run / "report.html").absolute().as_uri(), "report.png", 2000, "h2")
            take(page, card.as_uri(), "card.png", 1800, ".plot .main-svg")
            assert server.stdout is not None
            address = server.stdout.readline().split()[1]
            take(page, address, "dashboard.png", 1150, ".js-plotly-plot .main-svg")
        finally:
            browser.close()
            server.terminate()
            server.wait()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
