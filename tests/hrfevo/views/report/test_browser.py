"""The report in a browser: every figure is drawn, a click shows a genome, and data stays text."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.results.genome.lineage import lineage
from hrfevo.results.genome.recipe import recipe_of
from hrfevo.results.history import History
from hrfevo.space.metrics import METRICS, Measure
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures.model.portrait import portraits
from hrfevo.views.report.page import render
from signal_model.model import build_model
from tests.tools.reports import rendered
from tests.tools.seen import COLOURS, overlaps, serious, widths
from tests.tools.synthetic import HOSTILE, Searched, hostile, search

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def eighty(layers: SearchSpace) -> Searched:
    """A search of which tests read only, for pages that a browser opens."""
    return search(layers, 80)


@pytest.fixture(scope="module")
def plain_page(eighty: Searched) -> str:
    """Its report."""
    return rendered(*eighty)


@pytest.fixture(scope="module")
def confirmed_page(eighty: Searched) -> str:
    """Its report with a confirmation."""
    again = Confirmed("aa", "search", eighty[2][0].values, 1000, 180, (1, 2), (2.0, 2.2), (2.3, 2.5))
    return rendered(*eighty, confirmed=Confirmation((again, replace(again, genome="bb", origin="baseline"))))


@pytest.fixture
def opened(browser: "Browser", tmp_path: Path) -> "Iterator[Any]":
    """Opens a page; at the end nothing may have been complained of, asked for or shown as a dialog."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1160, "height": 900})

    def visit(html: str, name: str = "page") -> "Page":
        path = tmp_path / f"{name}.html"
        path.write_text(html, encoding="utf-8")
        page = context.new_page()
        page.set_default_timeout(60_000)  # where others use the machine
        # Drivers without a graphics card complain of how slow they are themselves.
        page.on("console", lambda m: "GL Driver Message" in m.text or complaints.append(m.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        # A picture that is saved is a blob of the page's own.
        own = (path.as_uri(), "blob:", "data:")
        page.on("request", lambda request: request.url.startswith(own) or complaints.append(request.url))
        page.goto(path.as_uri())
        return page

    yield visit
    context.close()
    assert complaints == []


def drawn_marks(page: "Page") -> dict[str, int]:
    """How many marks each figure has, when the page has been scrolled through."""
    plots = page.locator(".plot")
    for index in range(plots.count()):
        plots.nth(index).scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.plot')].every(e => e.querySelector('.main-svg'))")
    marks = "e.querySelectorAll('.points path, .js-line, .js-fill, .point path, .textpoint, .parcoords .axis').length"
    return dict(page.evaluate(f"[...document.querySelectorAll('.plot')].map(e => [e.id, {marks}])"))


def first_of_the_front(page: "Page") -> tuple[float, float]:
    """Where the first point of the front is on the screen."""
    page.locator("#figure-front").scroll_into_view_if_needed()
    page.wait_for_selector("#figure-front .scatterlayer path.point")
    box = page.locator("#figure-front .scatterlayer .trace").last.locator("path.point").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_first_screen_is_who_won_and_the_front_which_saves_as_svg_and_png(opened: Any, confirmed_page: str) -> None:
    page = opened(confirmed_page)
    page.set_viewport_size({"width": 1280, "height": 800})
    plot = page.locator("#figure-front")
    plot.locator("path.point").first.wait_for()
    boxes = [page.locator(".lead").bounding_box(), plot.bounding_box(), page.locator("table").first.bounding_box()]
    tops = [box["y"] for box in boxes if box is not None]
    assert len(tops) == 3
    assert tops == sorted(tops)
    assert tops[1] + 430 <= 800 < tops[2]
    assert "2.1000 ± 0.1414 bits per byte" in page.locator(".lead").inner_text()
    plot.hover()
    for button, ending, begins in ((0, ".svg", b"<svg"), (1, ".png", b"\x89PNG")):
        with page.expect_download() as download:
            plot.locator(".modebar-btn").nth(button).click()
        assert download.value.suggested_filename == f"figure-front{ending}"
        assert Path(download.value.path()).read_bytes().startswith(begins)


def test_browser_draws_every_figure_when_it_is_scrolled_to(opened: Any, plain_page: str) -> None:
    page = opened(plain_page)
    assert page.locator(".plot .main-svg").count() < page.locator(".plot").count(), "what is far below waits"
    marks = drawn_marks(page)
    assert {"figure-genealogy", "figure-parallel", "figure-timeline", "figure-failures"} <= marks.keys()
    assert all(marks.values()), {name for name, count in marks.items() if not count}
    page.emulate_media(color_scheme="dark")
    assert drawn_marks(page) == marks
    # As wide as it needs to be where the screen is; else it is scrolled, and that is said.
    hint = page.locator("section:has(#figure-parallel) .sideways")
    for width, cut in ((2400, False), (1280, True), (390, True)):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")
        page.wait_for_function(  # it is drawn anew at the new width a moment later
            "cut => { const one = document.querySelector('.scroll:has(#figure-parallel)');"
            " return (one.scrollWidth > one.clientWidth) === cut }",
            arg=cut,
        )
        hint.wait_for(state="visible" if cut else "hidden")


def test_without_webgl_a_figure_says_so(browser: Any, plain_page: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(plain_page)
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = new Proxy("
        "HTMLCanvasElement.prototype.getContext, {apply: (get, one, [kind, ...more]) =>"
        " /webgl/.test(kind) ? null : Reflect.apply(get, one, [kind, ...more])})")  # fmt: skip
    page.goto(f"file://{tmp_path}/page.html")
    words = page.locator("#figure-parallel .no-webgl p")
    page.locator("#figure-parallel").scroll_into_view_if_needed()
    words.wait_for()
    inner, box = words.bounding_box(), page.locator(".scroll:has(#figure-parallel)").bounding_box()
    assert box["y"] < inner["y"] < inner["y"] + inner["height"] < box["y"] + box["height"]
    page.close()


def test_nothing_serious_stands_in_the_way_of_keyboards_and_screen_readers(opened: Any, confirmed_page: str) -> None:
    page = opened(confirmed_page)
    drawn_marks(page)
    page.locator("button[data-genome]").first.click()
    page.locator("#card .curve .main-svg").first.wait_for()
    assert serious(page) == []
    page.emulate_media(color_scheme="dark")
    assert serious(page, COLOURS) == []


def test_labels_of_ancestors_do_not_lie_on_one_another(opened: Any, layers: SearchSpace) -> None:
    run, space, evaluations, curves = search(layers, 400)
    # The one with most ancestors is the best.
    whole = [e for e in evaluations if e.rung == 1 and e.status == "finished"]
    best = max(whole, key=lambda e: len(lineage(History(space, tuple(evaluations)), e.genome)))
    evaluations[best.number] = replace(best, metrics=best.metrics | {"bits_per_byte": 0.5})
    page = opened(render(run, History(space, tuple(evaluations)), curves))
    for width in widths(page):
        page.locator("#figure-genealogy").scroll_into_view_if_needed()
        page.wait_for_selector("#figure-genealogy .main-svg")
        assert page.locator("#figure-genealogy text").count() > 40
        assert overlaps(page, "#figure-genealogy text") == [], f"{width} pixels"


def test_paper_gets_every_figure(opened: Any, plain_page: str) -> None:
    page = opened(plain_page)
    page.pdf()
    assert page.locator(".plot:not(:has(.main-svg))").count() == 0


def test_click_on_the_front_shows_the_genome(opened: Any, layers: SearchSpace) -> None:
    searched = search(layers, 120)
    _, space, evaluations, _ = searched
    page = opened(rendered(*searched))
    page.mouse.click(*first_of_the_front(page))
    card = page.locator("#card")
    card.wait_for()
    winners = {e.genome: e for e in History(space, tuple(evaluations)).front}
    shown = page.locator("#card h3").inner_text().removeprefix("Genome ")
    winner = winners[shown]
    told = card.inner_text()
    assert "on the front" in told
    assert f"{winner.birth // space.population}, birth {winner.birth}" in told
    assert f"{winner.metrics['bits_per_byte']:.4f}" in told
    assert f"learning_rate {winner.values['training.learning_rate']:.4g}" in told
    for number, layer in enumerate(winner.values["layers"], start=1):
        assert f"layer {number}:" in told
        assert f"mixer {layer['mixer.kind']}" in told
    assert card.locator(".curve .js-line").count() >= 1
    # From there to relatives, and from the table.
    relative = next(e for e in evaluations if e.genome in winner.parents or winner.genome in e.parents).genome
    card.get_by_role("button", name=relative).click()
    assert page.locator("#card h3").inner_text() == f"Genome {relative}"
    page.locator(f'button[data-genome="{shown}"]').click()
    assert page.locator("#card h3").inner_text() == f"Genome {shown}"


def test_a_card_of_the_front_shows_what_the_genome_is(opened: Any, eighty: Searched) -> None:
    _, space, evaluations, _ = eighty
    winner = History(space, tuple(evaluations)).front[0]
    pictures = {winner.genome: portraits(build_model(recipe_of(space, winner).model, 0))}
    page = opened(rendered(*eighty, pictures=pictures))
    page.locator(f'button[data-genome="{winner.genome}"]').click()
    told = page.locator("#card").inner_text()
    assert "What it is" in told
    plots = page.locator("#card figure")
    assert plots.count() == len(pictures[winner.genome]) >= 2
    for index, figure in enumerate(pictures[winner.genome].values()):
        assert plots.nth(index).locator("h5").inner_text() == unescape(figure.layout.title.text)
        plots.nth(index).scroll_into_view_if_needed()
        assert plots.nth(index).locator(".js-line, .point path, path.point, .hm image").count() > 0
    other = next(e.genome for e in evaluations if e.genome != winner.genome)
    page.evaluate(
        "n => window.hrfevo.showEvaluation(n, document.querySelector('section'))",
        next(e.number for e in evaluations if e.genome == other),
    )
    assert page.locator("#card figure").count() == 0


def test_front_can_be_drawn_over_other_metrics(opened: Any, eighty: Searched, plain_page: str) -> None:
    page = opened(plain_page)
    before = first_of_the_front(page)
    page.select_option("#choose select[name=x]", "parameters")
    page.wait_for_function("document.querySelector('#figure-front .xtitle').textContent.includes('parameters')")
    assert "against trained parameters" in page.locator("section", has=page.locator("#choose")).inner_text()
    assert first_of_the_front(page) != before
    drawn = page.evaluate(
        "document.getElementById('figure-front').data.flatMap(t => t.ids.map((n, i) => [+n, t.x[i]]))"
    )
    finished = [e for e in eighty[2] if e.status == "finished"]
    assert dict(drawn) == pytest.approx({e.number: e.metrics["parameters"] for e in finished}, rel=1e-5)


def test_texts_from_data_are_shown_as_texts(opened: Any) -> None:
    searched = hostile()
    page = opened(rendered(*searched))
    drawn_marks(page)
    page.mouse.move(*first_of_the_front(page))
    page.wait_for_selector("#figure-front .hoverlayer text")
    label = str(page.locator("#figure-front .hoverlayer").text_content())
    pointed = next(e for e in searched[2] if e.genome in label)
    assert f"embedding {pointed.values['embedding.kind']}" in label
    labels = page.evaluate("document.getElementById('figure-front').data.flatMap(t => t.customdata.map(d => d[2]))")
    assert len(labels) > 20
    assert not any(re.search("<(?!br>)", label) for label in labels), "Plotly would read it as HTML"
    page.mouse.click(*first_of_the_front(page))
    page.locator("#card").wait_for()
    assert any(text in page.locator("#card").inner_text() for text in HOSTILE)
    # The cards of all genomes, failures with their reasons among them.
    genomes = page.evaluate("JSON.parse(document.getElementById('cards').textContent).evaluations.number")
    told = ""
    for number in genomes:
        page.evaluate(f"window.hrfevo.showEvaluation('{number}', document.querySelector('section'))")
        told += page.locator("#card").inner_text()
    assert all(text in told for text in HOSTILE)
    assert page.locator("h1").inner_text() == HOSTILE[0]
    assert page.locator("text", has_text="<b>x</b>").count() > 0
    assert page.locator("main b b, main a:not([rel=tooltip]), [style*='font-weight: bold']").count() == 0
    assert page.locator("script").count() == 5


def test_a_card_writes_numbers_as_their_measure_says(
    opened: Any, eighty: Searched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of plugins' objectives, too, whose formats may be any of Python's."""
    forms = {"": "1,234.5", ".1%": "123,450.0%", ".2e": "1.23e+3", ".4g": "1,235", ",.2f": "1,234.50"}
    for place, form in enumerate(forms):
        monkeypatch.setitem(METRICS, f"extra_{place}", Measure(f"extra {place}", format=form))
    extra = {f"extra_{place}": 1234.5 for place in range(len(forms))}
    run, space, evaluations, curves = eighty
    page = opened(rendered(run, space, [replace(e, metrics=e.metrics | extra) for e in evaluations], curves))
    page.locator("button[data-genome]").first.click()
    rows = page.locator("#card .measured tr").all_inner_texts()
    assert [row.split("\t")[1] for row in rows if row.startswith("extra")] == [*forms.values()]
