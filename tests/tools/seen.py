"""What stands in the way of readers: findings of axe-core, and texts that lie on one another."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Pairs of texts whose boxes share more than a pixel both ways.
OVERLAPS = """selector => {
  const boxes = [...document.querySelectorAll(selector)]
    .map(e => [e.textContent, e.getBoundingClientRect()]).filter(([words, box]) => words && box.width && box.height);
  return boxes.flatMap(([words, a], at) => boxes.slice(at + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
                       Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
    .map(([others]) => [words, others]));
}"""


def serious(page: Page) -> list[str]:
    """What axe-core holds for serious or worse, each with the first place."""
    page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found: list[dict[str, Any]] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in found if one["impact"] in ("serious", "critical")]


def overlaps(page: Page, selector: str) -> list[list[str]]:
    """Pairs of texts, of all that the selector finds, that lie on one another."""
    found: list[list[str]] = page.evaluate(OVERLAPS, selector)
    return found
