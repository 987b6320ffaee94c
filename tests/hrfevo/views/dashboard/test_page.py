"""The dashboard in a browser: it follows a search that goes on, on every screen, by keyboard too."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrfevo.algorithms.base import Proposal
from hrfevo.space.genome import Genome, sample
from hrfevo.workers.base import Job
from signal_model.config import Recipe
from signal_model.support.style import INK, Mode
from tests.conftest import command
from tests.tools.dashboards import Search, dashboard
from tests.tools.seen import COLOURS, serious

ATTACK = "<script>alert(1)</script>"
# For searches that do not go on: each look takes processor time, of the page and of its server.
CALM = ("--refresh", "2")


def of_the_page(message: Any) -> bool:
    """A complaint about the page; drivers without a graphics card complain of how slow they are themselves."""
    return message.type in ("error", "warning") and "GL Driver Message" not in message.text


@contextmanager
def page(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page that must not complain, nor ask anybody but its server."""
    context = browser.new_context(**options)
    shown, troubles = context.new_page(), []
    shown.on("console", lambda message: of_the_page(message) and troubles.append(message.text))
    shown.on("pageerror", lambda error: troubles.append(str(error)))
    shown.on("dialog", lambda dialog: (troubles.append(f"dialog {dialog.message}"), dialog.dismiss()))
    shown.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or troubles.append(r.url))
    shown.on("response", lambda answer: answer.status >= 400 and troubles.append(f"{answer.status} {answer.url}"))
    shown.set_default_timeout(180_000)
    shown.goto(address)
    yield shown
    assert troubles == []
    context.close()


def test_page_follows_a_search(browser: Any, tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.go_on(10)
    with search.folder.locked(), dashboard(tmp_path) as address, page(browser, address) as shown:
        shown.get_by_text("10 finished").wait_for()
        shown.locator(".run .main-svg").first.wait_for()
        dots = shown.locator(".run figure path.point")
        before = dots.count()
        assert before == 10
        # The reader's zoom stays while the numbers move.
        zoomed = "document.querySelector('.run .js-plotly-plot')"
        area = shown.locator(".run .nsewdrag")
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        shown.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
        shown.mouse.down()
        shown.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
        shown.mouse.up()
        shown.wait_for_function(f"{zoomed}._fullLayout.xaxis.range[0] > 10000")
        extent = shown.evaluate(f"{zoomed}._fullLayout.xaxis.range")
        search.submit()
        shown.get_by_text("10 finished, 1 running").wait_for()
        search.end(score=0.1234)
        shown.get_by_text("11 finished").wait_for()
        shown.get_by_text("validation loss 0.1234 bits per byte").wait_for()
        shown.wait_for_function(f"{zoomed}.calcdata.some(trace => trace.some(point => point.y === 0.1234))")
        assert shown.evaluate(f"{zoomed}._fullLayout.xaxis.range") == extent
        search.store.set_state(search.folder.id, "stopped", "interrupted")
        shown.locator(".run .state.stopped").wait_for()
        shown.locator(".runs label", has_text="tiny (stopped").wait_for()
        other = Search(tmp_path, "zweite", seed=1)
        other.go_on(3)
        shown.locator(".runs label", has_text="zweite (crashed").locator("input").check()
        shown.locator(".run", has_text="zweite").get_by_text("3 finished").wait_for()
        shutil.rmtree(other.folder.path)
        shown.locator(".runs label", has_text="zweite").wait_for(state="detached")


def test_all_figures_and_the_table_are_drawn_on_every_screen(browser: Any, tmp_path: Path) -> None:
    for seed, name in enumerate(("a", "b")):
        Search(tmp_path, name, seed).go_on(40)
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    with dashboard(tmp_path, *CALM) as address:
        screens: list[tuple[dict[str, Any], list[Mode]]] = [({}, ["light", "dark"]), (phone, ["light"])]
        for options, schemes in screens:
            with page(browser, address, **options) as shown:
                shown.locator(".run").wait_for()
                for box in shown.locator(".runs input").all():
                    box.set_checked(True)
                for scheme in schemes:
                    shown.emulate_media(color_scheme=scheme)
                    shown.get_by_text("Progress", exact=True).click()
                    assert_all_is_drawn(shown, scheme)


def assert_all_is_drawn(shown: Any, scheme: Mode) -> None:
    """Of two runs, with figures and page in the colours of the scheme."""
    shown.locator(".run").nth(1).wait_for()
    shown.locator("figure:has-text('Hypervolume') .scatterlayer .trace").nth(1).wait_for()
    ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    shown.get_by_text("All figures").click()
    shown.get_by_text("Values of the genes").nth(1).wait_for()
    plots = shown.locator(".js-plotly-plot")
    shown.wait_for_function("[...document.querySelectorAll('.plot')].every(p => p.querySelector('.main-svg'))")
    assert plots.count() >= 10
    assert shown.evaluate("[...document.querySelectorAll('.js-plotly-plot')].every(p => p.data.length)")
    inks = shown.evaluate("[...document.querySelectorAll('.js-plotly-plot')].map(p => p._fullLayout.font.color)")
    assert {*inks} == {INK[scheme]["ink"]}
    shown.get_by_text("Table", exact=True).click()
    shown.locator(".ag-center-cols-container .ag-row").nth(9).wait_for()
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_click_shows_the_genome_and_its_recipe_can_be_had(browser: Any, tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.go_on(12)
    parent = search.finished[0].genome
    child = sample(search.space, np.random.default_rng(5))
    search.store.submitted(search.folder.id, Job(12, child, 0, 12), Proposal(child, "crossover", (parent.id,)))
    with dashboard(tmp_path) as address, page(browser, address) as shown:
        graph = shown.locator(".run .js-plotly-plot")
        graph.locator(".main-svg").first.wait_for()
        drawn = graph.evaluate("p => { const f = p.data.find(t => t.name === 'front'); return f.customdata[0][0] }")
        for _ in range(2):  # and again, once it has been closed
            point = graph.locator("path.point").last
            point.scroll_into_view_if_needed()
            names = graph.evaluate("p => p.data.find(t => t.name === 'front').customdata.map(c => c[0])")
            box = point.bounding_box()
            shown.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            card = shown.locator("aside")
            card.get_by_text("Measurements").wait_for()
            assert drawn in names
            genome = card.locator("h2 code").inner_text()
            assert genome == names[-1]
            found = next(e for e in search.snapshot().history if e.genome == genome)
            assert f"{found.metrics['bits_per_byte']:.4f}" in card.inner_text()
            assert "on the front" in card.inner_text()
            card.locator(".js-line").first.wait_for()
            with shown.expect_download() as download:
                card.get_by_text("Download recipe").click()
            assert download.value.suggested_filename == f"{genome}.yaml"
            exported = tmp_path / "exported.yaml"
            assert command("hrfevo", "export", search.folder.path, genome, "--output", exported,
                           "--overwrite").returncode == 0  # fmt: skip
            assert Path(download.value.path()).read_text() == exported.read_text()
            Recipe.load(exported)
            assert card.locator(".picture").count() == 0
            card.get_by_text("Draw what it is").click()
            card.get_by_text("What it is").wait_for()
            card.locator(".picture .bars path, .picture .js-line").first.wait_for()
            card.get_by_text("Close").click()
            card.wait_for(state="hidden")
        shown.get_by_text("Table", exact=True).click()
        shown.locator(f".ag-cell:has-text('{parent.id}')").first.click()
        shown.locator("aside h3:has-text('Children')").wait_for()
        shown.locator("aside .genome", has_text=child.id).click()
        shown.locator("aside h2", has_text=child.id).wait_for()
        assert "crossover" in shown.locator("aside").inner_text()


def test_what_data_says_is_shown_and_never_run(browser: Any, tmp_path: Path) -> None:
    name = "<script>alert(2)<b>%{x}"
    search = Search(tmp_path, name)
    search.go_on(6)
    hostile = Genome(dict(search.finished[0].genome.values) | {"embedding.kind": ATTACK})
    search.submit(hostile)
    search.end(score=0.5)
    search.submit()
    search.end("failed", ATTACK)
    search.store.set_state(search.folder.id, "failed", ATTACK)
    with dashboard(tmp_path) as address, page(browser, address) as shown:
        shown.locator(".run h2", has_text=name).wait_for()
        assert shown.locator(".run").inner_text().count(ATTACK) == 1
        shown.locator("figure:has-text('Best over') .legendtext", has_text="<script>").wait_for()
        shown.locator(".run .genome").first.click()
        shown.locator("aside .genes", has_text=ATTACK).wait_for()
        shown.get_by_text("Close").click()
        shown.get_by_text("Table", exact=True).click()
        shown.locator(".ag-center-cols-container .ag-row").nth(5).wait_for()
        for column in ("reason", "gene:embedding.kind"):
            shown.evaluate("name => dash_ag_grid.getApi('table').ensureColumnVisible(name)", column)
            shown.locator(f".ag-cell[col-id='{column}']", has_text=ATTACK).wait_for()
        assert shown.locator("body script:has-text('alert(')").count() == 0


# --- keyboards and screen readers -----------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard of one search that goes on and does nothing."""
    search = Search(folder := tmp_path_factory.mktemp("served"))
    search.go_on(20)
    search.submit()
    search.end("failed", "diverged: loss is nan")
    with search.folder.locked(), dashboard(folder, *CALM) as address:
        yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_keyboards_and_screen_readers(
    browser: Any, served: str, scheme: str
) -> None:
    rules = COLOURS if scheme == "dark" else ()
    with page(browser, served, color_scheme=scheme) as shown:
        shown.locator(".run .main-svg").first.wait_for()
        assert serious(shown, rules) == []
        shown.locator(".run .genome").first.click()
        shown.get_by_text("Measurements").wait_for()
        assert serious(shown, rules) == []
        shown.keyboard.press("Escape")
        shown.locator("aside").wait_for(state="hidden")
        for tab, drawn in (("All figures", ".plot .main-svg"), ("Table", ".ag-center-cols-container .ag-row")):
            shown.get_by_text(tab, exact=True).click()
            shown.locator(drawn).first.wait_for()
            assert serious(shown, rules) == []


def test_the_focus_stays_through_news_and_the_card_is_a_dialog(browser: Any, tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.go_on(12)
    active = "document.activeElement.id"
    with search.folder.locked(), dashboard(tmp_path) as address, page(browser, address) as shown:
        button = shown.locator(".run .genome").first
        button.focus()
        name = shown.evaluate(active)
        for score in (9.1, 9.2, 9.3):
            search.submit()
            search.end(score=score)
            shown.get_by_text(f"{len(search.finished)} finished").wait_for()
            assert shown.evaluate(active) == name
        shown.keyboard.press("Enter")
        shown.get_by_role("dialog").get_by_text("Measurements").wait_for()
        assert shown.evaluate(active) == "close"
        shown.keyboard.press("Escape")
        shown.locator("aside").wait_for(state="hidden")
        assert shown.evaluate(active) == name
