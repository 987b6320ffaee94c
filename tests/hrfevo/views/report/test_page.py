"""The report's page stands alone, whatever the data says, and says who won."""

import re
import time
from dataclasses import replace

import pytest
from scipy import stats

from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.results.frames import curve_frame, evaluation_frame
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures import gallery
from hrfevo.views.report.headline import won
from hrfevo.views.report.page import render
from hrfevo.views.verdicts import headline
from tests.tools.pages import Page
from tests.tools.reports import rendered
from tests.tools.synthetic import HOSTILE, hostile, running, search


def checked(page: str) -> Page:
    checker = Page(page)
    for tag, attributes in checker.elements:
        assert tag not in ("link", "img", "iframe", "a", "base", "object", "embed")
        assert not {"src", "href", "action", "onerror", "onload"} & set(attributes)
    assert checker.tags.count("script") == 5
    assert page.count("plotly.js v") == 1
    policy = re.search(r'content="(default-src[^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'; script-src 'sha256-" in policy[1]
    assert "'unsafe-inline'" not in policy[1].partition("style-src")[0]
    assert "@import" not in page
    assert not re.search(r"url\(\s*['\"]?https?:", page.split("</style>")[0])
    return checker


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
    assert "51.9 standard errors of the paired difference better on validation, at least the 3" in won(
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
