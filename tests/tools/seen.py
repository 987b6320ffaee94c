"""What stands in the way of readers: findings of axe-core, and texts that lie on one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

# What axe-core asks of colours.
COLOURS = ("color-contrast", "link-in-text-block")

# Pairs of texts whose boxes share more than a pixel both ways.
OVERLAPS = """selector => {
  const boxes = [...document.querySelectorAll(selector)]
    .map(e => [e.textContent, e.getBoundingClientRect()]).filter(([words, box]) => words && box.width && box.height);
  return boxes.flatMap(([words, a], at) => boxes.slice(at + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
                       Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
    .map(([others]) => [words, others]));
}"""

# Whether every figure in sight has been drawn as wide as its place, as it is a moment after that has changed.
FITTING = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(plot => plot.offsetParent)
  .every(plot => [...plot.querySelectorAll('.main-svg')].every(svg => svg.clientWidth <= plot.clientWidth + 1))"""


def serious(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """What axe-core holds for serious or worse on a desk and on a phone, each with the width and the first place.

    By some of its `rules`, or by all: of a page that differs from one already seen in colours alone, by `COLOURS`.
    """
    page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    return [f"{width} pixels: {one}" for width in widths(page) for one in _serious(page, rules)]


def widths(page: Page) -> Iterator[int]:
    """The page on a desk and on a phone, one after the other."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_function(FITTING)
        yield width


def _serious(page: Page, rules: Sequence[str]) -> list[str]:
    asked = {"resultTypes": ["violations"]} | ({"runOnly": [*rules]} if rules else {})
    found: list[dict[str, Any]] = page.evaluate("asked => axe.run(document, asked)", asked)["violations"]
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in found if one["impact"] in ("serious", "critical")]


def overlaps(page: Page, selector: str) -> list[list[str]]:
    """Pairs of texts, of all that the selector finds, that lie on one another."""
    found: list[list[str]] = page.evaluate(OVERLAPS, selector)
    return found
