"""A browser for the pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, driven by Playwright; the machine's own, or the one that Playwright has installed."""
    if "CI" not in os.environ:
        pytest.importorskip("playwright", reason="Playwright is not installed (the extra `test` has it)")
    from playwright.sync_api import Error, sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    # Parallel coordinates need WebGL, which machines without a GPU have in software. That would draw the rest of
    # a page, too, where a distribution asks for it (Debian's does), in twice the time of Chromium's own rasteriser.
    arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    arguments += ["--disable-gpu-rasterization", "--disable-gpu-compositing"]
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=found, args=arguments)
        except Error as error:
            if "CI" in os.environ:
                pytest.fail(f"CI must have a Chromium: {error}")
            pytest.skip("no Chromium here; `playwright install chromium` fetches one")
        yield launched
        launched.close()
