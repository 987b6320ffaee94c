"""The report's page stands alone, whatever the data says, and works in a browser."""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from hrfevo.results.confirmed import Confirmation, Confirmed
from hrfevo.results.frames import curve_frame, evaluation_frame
from hrfevo.results.genome.lineage import lineage
from hrfevo.results.genome.recipe import recipe_of
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.store import Evaluation, RunRecord
from hrfevo.views.figures import gallery, gene_values
from hrfevo.views.figures.model.portrait import portraits
from hrfevo.views.figures.sampling import drawn, drawn_numbers
from hrfevo.views.report.card_data import card_data
from hrfevo.views.report.compact import apart, drawing, packed
from hrfevo.views.report.headline import won
from hrfevo.views.report.page import render
from hrfevo.views.terminal.tables import short_names
from hrfevo.views.verdicts import headline
from hrfevo.workers.base import Point
from signal_model.model import build_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
from tests.tools.seen import overlaps, serious, widths
from tests.tools.synthetic import HOSTILE, Searched, hostile, running, search

Curves = Mapping[int, Sequence[Point]]


def unpacked(value: Any) -> Any:
    """What plotly.js makes of typed arrays."""
    if isinstance(value, dict) and set(value) == {"dtype", "bdata"}:
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()
    if isinstance(value, dict):
        return {key: unpacked(item) for key, item in value.items()}
    return [unpacked(item) for item in value] if isinstance(value, list) else value


class Checker(HTMLParser):
    """Collects elements and text, and insists that every element is closed in order."""

    VOID = ("meta", "br", "hr", "img", "link", "input")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.text += data


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    for tag, attributes in checker.elements:
        assert tag not in ("link", "img", "iframe", "a", "base", "object", "embed")
        assert not {"src", "href", "action", "onerror", "onload"} & set(attributes)
    assert [tag for tag, _ in checker.elements].count("script") == 5
    assert page.count("plotly.js v") == 1
    policy = re.search(r'content="(default-src[^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'; script-src 'sha256-" in policy[1]
    assert "'unsafe-inline'" not in policy[1].partition("style-src")[0]
    assert "@import" not in page
    assert not re.search(r"url\(\s*['\"]?https?:", page.split("</style>")[0])
    return checker


def rendered(run: RunRecord, space: SearchSpace, evaluations: Sequence[Evaluation], curves: Curves, **more: Any) -> str:
    return render(run, History(space, tuple(evaluations)), curves, **more)


def gene_count(space: SearchSpace) -> int:
    return len(space.genes) + len(getattr(space.genes.get("layers"), "genes", ()))


def test_page_stands_alone_and_says_who_won(embeddings: SearchSpace, layers: SearchSpace) -> None:
    for space in (embeddings, layers):
        searched = search(space, 100)
        found = checked(rendered(*searched))
        frame = evaluation_frame(History(space, tuple(searched[2])))
        best = frame[frame["front"]].sort_values("bits_per_byte").iloc[0]
        assert f"Best genome {best['genome']}: validation loss {best['bits_per_byte']:.4f} bits per byte" in found.text
        first = frame[(frame["generation"] == 0) & (frame["status"] == "finished")]
        whole = (first["rung"] == first["rung"].max()).sum() == (first["rung"] == 0).sum()
        whose = "the first" if whole else f"the {(first['rung'] == 1).sum()} of the first"
        assert f"better than the median of {whose} generation" in found.text
        assert "Not confirmed." in found.text
        assert f"{(frame['status'] == 'finished').sum()} finished" in found.text
        assert all(genome in found.text for genome in frame.loc[frame["front"], "genome"])
        assert f"Searched {gene_count(space)} genes (" in found.text
        figures = gallery(frame, curve_frame(searched[3]), History(space, tuple(searched[2])))
        plots = sum(a.get("class") == "plot" for _, a in found.elements)
        assert plots == len(figures) - 2 + 2 * gene_count(space)


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_running_search_has_a_page_from_the_start(embeddings: SearchSpace, finished: int) -> None:
    found = checked(rendered(*running(search(embeddings, 20), finished)))
    plots = sum(attributes.get("class") == "plot" for _, attributes in found.elements)
    assert ("No evaluation has finished yet" in found.text) == (finished == 0)
    assert ("nothing to compare it with" in found.text) == (finished == 1)
    assert plots == 0 if finished == 0 else plots >= 1
    run, space, *_ = search(embeddings, 1)
    assert "No evaluation has finished yet" in checked(render(run, History(space, ()), {})).text


def test_texts_from_data_stay_texts() -> None:
    page = rendered(*hostile())
    found = checked(page)
    for text in HOSTILE:
        assert text in found.text
    data = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    cards = re.search(r'id="cards">(.*?)</script>', page, re.DOTALL)
    assert cards is not None
    assert not re.search(r"[<>]", cards[1])
    # Escaped twice: for Plotly, which reads labels as HTML, and for the script element.
    assert not re.search(r"[<>]", data[1])
    assert "&lt;b&gt;x&lt;/b&gt;".replace("/", "\\u002f") in data[1]
    assert not re.search(r"\\u003c(script|b\\u003ex|a )", data[1])


def test_packed_figures_say_the_same(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 60)
    frame = evaluation_frame(History(layers, tuple(evaluations)))
    whole = drawing(gene_values(frame, layers))
    parts = apart(whole)
    assert sum(len(part["data"]) for part in parts.values()) == len(whole["data"])
    for name, part in parts.items():
        alone = gene_values(frame, layers, [name], columns=1)
        found = unpacked(packed(part))
        assert found["layout"]["yaxis"]["range"] == pytest.approx(list(alone.layout.yaxis.range))
        for one, other in zip(found["data"], alone.data, strict=True):
            assert list(one["x"]) == list(other.x)
            assert one["y"] == pytest.approx(list(other.y), rel=1e-6, nan_ok=True)


def test_card_data_holds_every_gene_and_measurement(layers: SearchSpace) -> None:
    _, space, evaluations, curves = search(layers, 80)
    data = json.loads(json.dumps(card_data(History(space, tuple(evaluations)), curves)))
    names = short_names([*space.genes, *space.genes["layers"].genes])  # type: ignore[union-attr]

    def read(packed: list[Any]) -> dict[str, Any]:
        return dict(zip(data["shapes"][packed[0]], packed[1:], strict=True))

    def told(values: dict[str, Any]) -> dict[str, Any]:
        return {names[k]: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items() if k != "layers"}

    table = data["evaluations"]
    front_numbers = {e.number for e in History(space, tuple(evaluations)).front}
    assert {table["number"][index] for index in table["front"]} == front_numbers
    for index, evaluation in enumerate(evaluations):
        genome = table["genome"][index]
        assert data["genomes"]["id"][genome] == evaluation.genome
        assert read(data["genomes"]["genes"][genome]) == told(evaluation.values)
        found = [read(data["layers"][layer]) for layer in data["genomes"]["layers"][genome]]
        assert found == [told(layer) for layer in evaluation.values["layers"]]
        assert [data["genomes"]["id"][p] for p in data["genomes"]["parents"][genome]] == list(evaluation.parents)
        assert data["statuses"][table["status"][index]] == evaluation.status
        assert data["reasons"][table["reason"][index]] == evaluation.reason
        for name in data["metrics"]:
            value = evaluation.metrics.get(name)
            assert table["values"][name][index] == (None if value is None else pytest.approx(value, rel=1e-5))
        if evaluation.number in curves:
            grid, *losses = table["curves"][index]
            assert data["grids"][grid] == [point.step for point in curves[evaluation.number]]
            assert losses == pytest.approx([p.bits_per_byte for p in curves[evaluation.number]], rel=1e-3)


def test_what_is_said_of_all_stays_true_where_some_are_drawn(layers: SearchSpace) -> None:
    _, space, evaluations, curves = search(layers, 400)
    frame = evaluation_frame(History(space, tuple(evaluations)))
    chosen = drawn(frame, 90)
    kept = frame[chosen]
    assert 60 <= len(kept) <= 120
    assert chosen[frame["front"]].all()
    assert not frame.loc[~chosen, "genome"].isin(kept["genome"]).any(), "evaluations of a genome stay together"
    assert np.diff(kept["number"]).max() < 40, "spread over the run"
    assert drawn(frame, 400).all()
    assert drawn_numbers(evaluations, History(space, tuple(evaluations)).front, 90) == kept["number"].tolist()

    history = History(space, tuple(evaluations))
    whole, part = card_data(history, curves), card_data(history, curves, {*kept["number"]})
    assert part["evaluations"]["number"] == kept["number"].tolist()
    finished = [sum(e.status == "finished" and e.rung == rung for e in evaluations) for rung in (0, 1)]
    assert part["peers"] == whole["peers"] == finished
    place = dict(zip(whole["evaluations"]["number"], whole["evaluations"]["place"], strict=True))
    for number, found in zip(part["evaluations"]["number"], part["evaluations"]["place"], strict=True):
        one = next(e for e in evaluations if e.number == number)
        assert found == place[number]
        if one.status == "finished":
            peers = [e for e in evaluations if e.status == "finished" and e.rung == one.rung]
            assert found == 1 + sum(e.metrics["bits_per_byte"] < one.metrics["bits_per_byte"] for e in peers)
    for genome, children in zip(part["genomes"]["id"], part["genomes"]["children"], strict=True):
        assert children == len({e.genome for e in evaluations if genome in e.parents})


def test_headline_says_by_how_much_the_winner_beats_the_baseline() -> None:
    seeds = (1, 2, 3)
    winner = Confirmed("aa", "search", {}, 1000, 180, seeds, (2.0, 2.2, 2.1), (2.3, 2.5, 2.4))
    lucky = replace(winner, genome="cc", validation=(1.9, 2.1, 2.0), place=1)
    # Its seeds stand in another order; pairs are of one seed.
    baseline = Confirmed("bb", "baseline", {}, 1000, 180, (3, 2, 1), (2.39, 2.51, 2.3), (2.2, 2.9, 2.0))
    said = won(Confirmation((lucky, winner, baseline)))
    assert "first choice, aa: 2.1000 ± 0.1000 bits per byte on validation" in said
    low, high = stats.ttest_rel((2.0, 2.2, 2.1), (2.3, 2.51, 2.39)).confidence_interval(0.95)
    assert f"on validation 0.3000 better (95 % interval {-high:.4f} to {-low:.4f}, 3 seeds)" in said
    assert "on the test split, which chose nothing, no difference seen, +0.0333 (95 % interval" in said
    founder = replace(baseline, origin="founder", is_founder=True)
    assert "52.0 standard errors of the paired difference better on validation, at least the 3" in won(
        Confirmation((winner, founder))
    )
    assert "the one seed that both have, so nothing is known of its doubt" in won(
        Confirmation((winner, replace(baseline, seeds=(3, 8, 9))))
    )
    assert "No transformer was trained" in won(Confirmation((winner,)))
    assert "nothing was learned" in won(Confirmation((winner,)), {"unigram": 2.11})
    itself = Confirmation((replace(winner, is_transformer=True), baseline))
    assert "It is itself a transformer: the search" in won(itself)
    assert "itself a transformer, " not in headline(Confirmation((winner, baseline)))
    assert headline(itself) == (
        "aa, itself a transformer, won: 2.1000 ± 0.1000 bits per byte on validation with 3 fresh seeds; beside a "
        f"transformer tuned as long 0.3000 better (95 % interval {-high:.4f} to {-low:.4f}, 3 seeds)."
    )
    assert won(Confirmation()) == headline(Confirmation()) == ""
    assert won(Confirmation((baseline,))) == ""


def test_large_search_is_rendered_fast_and_small(layers: SearchSpace) -> None:
    searched = search(layers, 4000, points=20)
    start = time.process_time()  # a busy machine does not stretch it
    page = rendered(*searched)
    assert time.process_time() - start < 8
    assert len(page.encode()) < 7e6
    assert re.search(r"Of the others 2,\d\d\d of 3,\d\d\d are drawn", page)
    assert "4,000" in page


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
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme


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
