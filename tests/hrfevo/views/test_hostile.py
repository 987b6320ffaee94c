"""Nothing that data says becomes part of a page: attacks in every text, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import pytest

from hrfevo.benchmark.figure import page as benchmark_page
from hrfevo.benchmark.summary import MOMENTS, Summary
from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.results.genome.card import card_of
from hrfevo.results.history import History
from hrfevo.views.report.card_page import card_page
from hrfevo.views.report.page import render
from signal_model.analysis.page import Section, Table
from signal_model.analysis.page import render as analysis_page
from signal_model.support.pages import Script, page
from tests.tools.synthetic import hostile

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Each leaves the place that it stands in, and marks the window if anything of it runs.
ATTACKS = [
    "<script>window.ran = 1</script>",
    "</script><script>window.ran = 2</script><!-- <script>",
    '"><img src="x" onerror="window.ran = 3">&amp;',
    "' autofocus onfocus='window.ran = 4' x='",
    "</style></title></textarea><svg onload=window.ran=5>",
    "{{ 7 * 6 }}{% raw %}${window.ran = 6}",
    '\\u003cimg src=x onerror=window.ran=7\\u003e\u2028"]}',
    '<a href="javascript:window.ran=8"><b>bold</b></a>%{x}',
]
LIVE = "img, iframe, object, embed, base, link, [onload], [onerror], [onfocus], [autofocus], a[href]"


def report() -> str:
    """With a confirmation; origins of genomes, workers and devices are attacks too."""
    run, space, evaluations, curves = hostile(ATTACKS)
    count = len(ATTACKS)
    evaluations = [
        replace(e, operator=ATTACKS[e.number % count], worker=ATTACKS[-1 - e.number % count], device=ATTACKS[2])
        for e in evaluations
    ]
    values = {name: name for name in ATTACKS}
    rows = [
        Confirmed(genome, "search", values, 1000, 180, (1, 2), (2.0, 2.2), (2.3, 2.5), place=place)
        for place, genome in enumerate(ATTACKS)
    ]
    picture = go.Figure(layout={"title": {"text": "picture", "subtitle": {"text": "of it"}}})
    pictures = {evaluations[0].genome: {"one": picture}}
    return render(run, History(space, tuple(evaluations)), curves, Confirmation(tuple(rows)), pictures)


def card() -> str:
    """Of a genome whose genes, reasons, devices and relatives are attacks."""
    _, space, evaluations, curves = hostile(ATTACKS)
    found = card_of(History(space, tuple(evaluations)), curves, None)
    attacked = replace(
        found,
        genes={name: name for name in ATTACKS} | {"layers": [{name: name for name in ATTACKS}]},
        reason=ATTACKS[1],
        operator=ATTACKS[2],
        trainings=tuple(replace(one, reason=ATTACKS[3], device=ATTACKS[4]) for one in found.trainings),
        children=tuple(replace(one, operator=ATTACKS[5]) for one in found.children),
    )
    return card_page(History(space, tuple(evaluations)), attacked, " ".join(ATTACKS), {})


def analysis() -> str:
    """Titles, captions and tables are attacks."""
    whole = " ".join(ATTACKS)
    table = Table(ATTACKS, [ATTACKS, ATTACKS[::-1]], words=2)
    drawn = go.Figure(go.Bar(x=[1], y=[1], meta=ATTACKS), layout={"height": 300, "meta": whole})
    sections = [Section(whole, whole, drawn, table), Section(whole, whole, None, table)]
    return analysis_page(whole, whole, whole, sections, whole)


def benchmark() -> str:
    """Named by an attack."""
    curves = np.linspace(0, 1, 2 * MOMENTS).reshape(2, MOMENTS)
    rows = [Summary(name, 4, np.ones(2), np.ones(2), curves, 1.0, 1.0, 1.0) for name in ATTACKS]
    return benchmark_page(rows, "hypervolume", 8.0, " ".join(ATTACKS))


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What a page complained of, or asked for, in the end nothing."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.mark.parametrize("made", [report, card, analysis, benchmark])
def test_no_text_is_live_in_any_page(browser: Browser, made: object, tmp_path: Path, complaints: list[str]) -> None:
    path = tmp_path / "page.html"
    path.write_text(made(), encoding="utf-8")  # type: ignore[operator]
    # Without its policy: the page itself must keep texts apart from what runs.
    context = browser.new_context(bypass_csp=True)
    shown = context.new_page()
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    shown.on("request", lambda request: request.url == path.as_uri() or complaints.append(request.url))
    shown.goto(path.as_uri())
    plots = shown.locator(".plot")
    for index in range(plots.count()):
        plots.nth(index).scroll_into_view_if_needed()
    shown.wait_for_function("[...document.querySelectorAll('.plot')].every(e => e.querySelector('.main-svg'))")
    for button in shown.locator("button[data-genome]").all()[:3]:
        button.click()
    scripts = 3 if made is report else 2
    assert shown.locator("script:not([type])").count() == scripts
    own = "[href*='plotly'], .modebar-btn"
    live = shown.locator(LIVE).evaluate_all(
        f"all => all.filter(e => !e.matches(`{own}`)).map(e => e.outerHTML.slice(0, 200))"
    )
    assert live == []
    assert shown.evaluate("window.ran") is None
    words = shown.locator("body").text_content() or ""
    for attack in ATTACKS:
        assert attack in words, attack
    assert shown.evaluate("[...document.scripts].filter(s => s.type).every(s => JSON.parse(s.textContent))")
    context.close()


def test_a_script_cannot_end_its_element_and_a_template_forgives_no_name() -> None:
    with pytest.raises(ValueError, match="</script"):
        Script.of("var text = '</SCRIPT>';")
    with pytest.raises(Exception, match="is undefined"):
        page("signal_model.analysis", title="alone")
