"""The report: figures show what the store holds; the page stands alone, whatever the data says."""

import base64
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hrfevo import ranking
from hrfevo.confirmed import Confirmed
from hrfevo.export import recipe_of
from hrfevo.genome import sample
from hrfevo.individual import Fitness
from hrfevo.records import Point, Status
from hrfevo.report import (
    curve_frame,
    evaluation_frame,
    failures,
    fitness_over_generations,
    front,
    gallery,
    gene_distributions,
    gene_values,
    genealogy,
    learning_curves,
    parallel_coordinates,
    progress,
    render,
    timeline,
)
from hrfevo.report.ancestry import ancestry
from hrfevo.report.card_data import card_data
from hrfevo.report.compact import apart, drawing, packed
from hrfevo.report.headline import won
from hrfevo.report.portrait import portraits
from hrfevo.report.progress_figure import hypervolumes
from hrfevo.report.sample import drawn, drawn_numbers
from hrfevo.report.style import caption_of
from hrfevo.space import SearchSpace
from hrfevo.store import Evaluation, Run
from hrfevo.tables import short_names
from hrfevo.validation import load_space, parse_space
from tests.conftest import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LAYERS = """
name: layers
model: {context: 64, width: 32}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 2e-2, log: true}
  layers:
    type: layers
    min: 1
    max: 3
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      mixer.bases: {type: int, low: 2, high: 32, log: true, when: {mixer.kind: harmonic}}
      mixer.families: {type: choice, values: [[haar], [haar, db4]], when: {mixer.kind: wavelet}}
      feedforward.expansion: {type: ordered, values: [1.0, 2.0, 4.0]}
objectives: {bits_per_byte: minimize, step_time: minimize, parameters: maximize}
rungs: [20, 60]
population: 8
budget: {evaluations: 64}
"""

# What a careless page would run, follow or set in bold.
HOSTILE = ["<script>alert(1)</script>", "<b>x</b>", '<a href="http://x.example">y</a>', "</script>&lt;%{x}"]

Searched = tuple[Run, SearchSpace, list[Evaluation], dict[int, list[Point]]]


@pytest.fixture(scope="module")
def embeddings() -> SearchSpace:
    return load_space(ROOT / "search_spaces" / "embeddings.yaml")[0]


@pytest.fixture(scope="module")
def layers() -> SearchSpace:
    return parse_space(LAYERS, "layers.yaml")


def search(space: SearchSpace, count: int, points: int = 5) -> Searched:
    """A search that never was: random genomes, random scores, some failures, a third promoted at random."""
    generator = np.random.default_rng(7)
    evaluations: list[Evaluation] = []
    curves = {}
    for number in range(count):
        genome, birth, rung = sample(space, generator), len({e.genome for e in evaluations}), 0
        values = dict(genome.values)
        identity = genome.id
        born = list(dict.fromkeys(e.genome for e in evaluations))
        bred = number > 20 and generator.random() < 0.7
        parents = tuple(map(str, generator.choice(born, 2, replace=False))) if bred else ()
        if len(space.rungs) > 1 and number % 4 == 3:
            earlier = evaluations[number - 2]
            identity, values, birth, rung = earlier.genome, earlier.values, earlier.birth, 1
            parents = earlier.parents
        status: Status = "finished" if generator.random() > 0.1 else "failed"
        reason = "diverged: loss is nan" if status == "failed" else ""
        metrics = {"parameters": float(generator.integers(50_000, 90_000)), "flops_per_token": 1e5, "state_size": 64.0}
        if status == "finished":
            score = float(2.5 - 0.3 * rung - 0.3 * birth / count + generator.exponential(0.2))
            metrics |= {"bits_per_byte": score, "step_time": float(generator.uniform(5, 9)), "train_seconds": 3.0}
            steps = np.linspace(1, space.rungs[rung], points).astype(int)
            curves[number] = [Point(int(step), 0.1 * step, score + 5 / step) for step in steps]
        start = 1.7e9 + 60 * number
        evaluations.append(
            Evaluation(
                number=number,
                genome=identity,
                values=values,
                birth=birth,
                operator="crossover" if parents else "random",
                parents=parents,
                rung=rung,
                seed=7,
                status=status,
                reason=reason,
                detail="",
                metrics=metrics,
                worker=f"host:{number % 2}",
                device="cpu",
                submitted=start,
                started=start,
                ended=start + 30,
                submitted_event=2 * number,
                ended_event=2 * number + 1,
            )
        )
    settings = {"seed": 3, "algorithm": "evolution", "corpus": {"name": "python"}, "versions": {"torch": "2.13"}}
    return Run("1f", space.name, "finished", "budget spent", 1.7e9, 60.0 * count, settings), space, evaluations, curves


def running(searched: Searched, finished: int) -> Searched:
    """The same search, cut off after so many evaluations with one more in flight."""
    run, space, evaluations, curves = searched
    done = [e for e in evaluations if e.status == "finished"][:finished]
    rest = evaluations[finished] if not done else next(e for e in evaluations if e.number > done[-1].number)
    going = replace(rest, status="running", reason="", metrics={}, started=None, ended=None, ended_event=None)
    kept = {e.number: curves[e.number] for e in done}
    return replace(run, state="running", reason=""), space, [*done, going], kept


def hostile() -> Searched:
    """A run whose every text is an attack; a space that validation would refuse, since reports must not rely on it."""
    space = SearchSpace.model_validate(
        {
            "name": "hostile",
            "description": " ".join(HOSTILE),
            "genes": {"embedding.kind": {"type": "choice", "values": HOSTILE}},
            "rungs": [10],
            "population": 4,
            "budget": {"evaluations": 10},
        }
    )
    run, _, evaluations, curves = search(space, 60)
    settings = {key: HOSTILE[index] for index, key in enumerate(("seed", "algorithm", "corpus", "versions"))}
    evaluations = [replace(e, device=HOSTILE[1], reason=e.reason and HOSTILE[e.number % 4]) for e in evaluations]
    return replace(run, name=HOSTILE[0], reason=HOSTILE[1], settings=settings), space, evaluations, curves


def trace(figure: Any, name: str) -> Any:
    return next(trace for trace in figure.data if trace.name == name)


def unpacked(value: Any) -> Any:
    """What plotly.js makes of typed arrays."""
    if isinstance(value, dict) and set(value) == {"dtype", "bdata"}:
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()
    if isinstance(value, dict):
        return {key: unpacked(item) for key, item in value.items()}
    return [unpacked(item) for item in value] if isinstance(value, list) else value


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


# --- frames and figures --------------------------------------------------------------------------


def test_frame_has_a_row_per_evaluation_and_a_column_per_gene(layers: SearchSpace) -> None:
    _, _, evaluations, curves = search(layers, 60)
    frame = evaluation_frame(evaluations, layers)
    assert len(frame) == 60
    row, evaluation = frame.loc[11], evaluations[11]
    assert row["generation"] == evaluation.birth // 8
    assert row["steps"] == 60
    assert row["minutes"] == pytest.approx(11.5)
    assert row["gene:layers"] == len(evaluation.values["layers"])
    for index, layer in enumerate(evaluation.values["layers"]):
        for name, value in layer.items():
            expected = tuple(value) if isinstance(value, list) else value
            assert row[f"gene:layers[{index}].{name}"] == expected
    assert frame["gene:layers[2].mixer.kind"].isna().sum() == (frame["gene:layers"] < 3).sum() > 0
    assert len(curve_frame(curves)) == 5 * len(curves)


def test_fitness_is_that_of_the_highest_rung_and_the_best_never_worsens(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 200)
    figure = fitness_over_generations(evaluation_frame(evaluations, layers), layers.objectives)
    top = sorted((e for e in evaluations if e.status == "finished" and e.rung == 1), key=lambda e: e.birth)
    scores = [e.metrics["bits_per_byte"] for e in top]
    best, dots = trace(figure, "best so far"), trace(figure, "evaluations")
    held = best.y[np.searchsorted(best.x, dots.x, side="right") - 1]
    assert list(held) == [min(scores[: n + 1]) for n in range(len(scores))]
    assert best.x[-1] == dots.x[-1]
    assert all(np.diff(best.y) <= 0)
    assert list(dots.y) == scores
    median = trace(figure, "median")
    for generation, value in zip(median.x, median.y, strict=True):
        peers = [e.metrics["bits_per_byte"] for e in top if e.birth // 8 == generation]
        assert value == pytest.approx(np.median(peers))


def test_front_is_what_nothing_dominates(embeddings: SearchSpace, layers: SearchSpace) -> None:
    for space in (embeddings, layers):
        _, _, evaluations, _ = search(space, 150)
        finished = [e for e in evaluations if e.status == "finished"]
        highest = max(e.rung for e in finished)
        top = {e.genome: Fitness(space.weights, [e.metrics[m] for m in space.objectives]) for e in finished
               if e.rung == highest}  # fmt: skip
        losses = {genome: [-value for value in fitness.wvalues] for genome, fitness in top.items()}
        expected = {g for g, loss in losses.items() if not any(dominates(other, loss) for other in losses.values())}
        figure = front(evaluation_frame(evaluations, space), space.objectives)
        drawn = {genome for genome, *_ in trace(figure, "front").customdata}
        assert drawn == expected
        grey = [point for t in figure.data if t.name not in ("front", "edge") for point in t.customdata]
        assert len(grey) + len(drawn) == len(finished)


def test_bands_are_the_intervals(embeddings: SearchSpace) -> None:
    _, _, evaluations, _ = search(embeddings, 120)
    figure = gene_values(evaluation_frame(evaluations, embeddings), embeddings, ["embedding.frequencies"])
    drawn = {}
    for line in figure.data:
        for place in range(0, len(line.x), 3):
            assert line.x[place] == line.x[place + 1]
            drawn[line.x[place]] = [line.y[place], line.y[place + 1]]
            assert np.isnan(line.x[place + 2 : place + 3]).all()
    name = "embedding.frequencies"
    assert drawn == {e.birth: e.values[name] for e in evaluations if name in e.values}


def test_dots_of_layers_are_pooled_within_their_category(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 60)
    figure = gene_values(evaluation_frame(evaluations, layers), layers, ["mixer.kind of every layer"])
    names = figure.layout.yaxis.ticktext
    drawn = sorted((x, names[round(y)]) for dots in figure.data for x, y in zip(dots.x, dots.y, strict=True))
    genomes = {e.birth: e.values["layers"] for e in evaluations}
    assert drawn == sorted((birth, layer["mixer.kind"]) for birth, found in genomes.items() for layer in found)


def test_learning_curves_draw_a_sample_with_the_front(embeddings: SearchSpace) -> None:
    _, _, evaluations, curves = search(embeddings, 300)
    frame = evaluation_frame(evaluations, embeddings)
    figure = learning_curves(curve_frame(curves), frame, embeddings.objectives, limit=50)
    *lines, _, best = figure.data
    assert sum(np.isnan(line.x).sum() + 1 for line in lines) == 50
    assert set(frame[frame["front"]]["genome"]) <= {genome for line in lines for genome in line.customdata}
    finished = frame[frame["status"] == "finished"]
    count = finished["genome"].nunique()
    assert f"50 genomes, the front and an even sample of {count}" in figure.layout.title.subtitle.text
    number = finished.loc[finished["bits_per_byte"].idxmin(), "number"]
    assert list(best.y) == [point.bits_per_byte for point in curves[number]]


def test_learning_curves_tell_promoted_from_stopped(layers: SearchSpace) -> None:
    _, _, evaluations, curves = search(layers, 100)
    figure = learning_curves(curve_frame(curves), evaluation_frame(evaluations, layers), layers.objectives)
    finished = [e for e in evaluations if e.status == "finished"]
    promoted = {e.genome for e in finished if e.rung == 1}
    stopped = {e.genome for e in finished} - promoted

    def drawn(name: str) -> set[str]:
        return set(filter(None, trace(figure, name).customdata))

    assert drawn("trained to the end at 60 steps") == promoted
    assert drawn("stopped at 20 steps") == stopped
    assert len(trace(figure, "stops").x) == len(stopped)
    best = trace(figure, f"best: {min((e.metrics['bits_per_byte'], e.genome) for e in finished if e.rung)[1]}")
    assert np.all(np.diff(best.x) > 0), "one line through all rungs, each step once"


@given(arrays(float, st.tuples(st.integers(1, 12), st.integers(2, 3)), elements=st.integers(0, 6).map(float)))
@settings(max_examples=60, deadline=None)
def test_hypervolume_is_the_share_of_the_box_that_is_dominated(points: np.ndarray) -> None:
    places, volumes = hypervolumes(points)
    ideal, worst = points.min(axis=0), points.max(axis=0)
    sides = np.where(worst > ideal, worst - ideal, 1.0)
    # Unit cells, counted: corners are whole numbers, and a side without extent has the length 1.
    cells = np.stack(np.meshgrid(*(np.arange(side) + 0.5 for side in sides), indexing="ij"), -1).reshape(-1, len(sides))

    def share(count: int) -> float:
        return float(((points[:count, None] - ideal <= cells).all(axis=2).any(axis=0)).mean())

    for place, volume in zip(places, volumes, strict=True):
        assert volume == pytest.approx(share(place + 1))
    assert volumes[-1] == pytest.approx(share(len(points)))


def test_progress_counts_each_second_of_training_once(embeddings: SearchSpace) -> None:
    _, _, evaluations, _ = search(embeddings, 60)
    promoted = replace(evaluations[0], metrics=evaluations[0].metrics | {"train_seconds": 99.0})
    frame = evaluation_frame([promoted, *evaluations[1:]], embeddings)
    assert frame.loc[0, "spent"] == 30, "no more than the worker was there"
    figure = progress(frame, embeddings.objectives)
    assert figure is not None
    spent = frame["spent"].sum()
    assert trace(figure, "hypervolume").x[-1] == pytest.approx(spent / 60)
    assert np.all(np.diff(trace(figure, "hypervolume").y) >= 0)
    alone = progress(frame, {"bits_per_byte": "minimize"})
    assert alone is not None
    scores = frame.loc[frame["status"] == "finished", "bits_per_byte"]
    assert trace(alone, "best so far").y[-1] == scores.min()
    assert progress(evaluation_frame([e for e in evaluations if e.status == "failed"], embeddings), {}) is None


def test_genealogy_is_a_tree_of_real_parents_without_overlap(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 400)
    frame = evaluation_frame(evaluations, layers)
    parents = {e.genome: e.parents for e in evaluations}
    scores = {(e.genome, e.rung): e.metrics["bits_per_byte"] for e in evaluations if e.status == "finished"}
    for winner in [e.genome for e in evaluations[300:340]]:
        found = ancestry(frame, winner, "bits_per_byte", "minimize")
        every, waiting = set(), [winner]
        while waiting:
            new = set(parents[waiting.pop()]) - every
            every |= new
            waiting += new
        assert found.total == len(every)
        assert len({(place.row, place.column) for place in found.places}) == len(found.places)
        for place in found.places[1:]:
            child = found.places[place.child]  # type: ignore[index]
            assert place.genome in parents[child.genome]
            assert place.column < child.column
            assert place.row >= child.row
            common = [r for r in (0, 1) if (place.genome, r) in scores and (child.genome, r) in scores]
            assert (place.gain is None) == (not common)
            if common:
                expected = scores[child.genome, common[-1]] - scores[place.genome, common[-1]]
                assert place.gain == pytest.approx(expected)
        originals = [place.genome for place in found.places if not place.again]
        assert len(set(originals)) == len(originals)
    figure = genealogy(frame, layers.objectives)
    best = min((e.metrics["bits_per_byte"], e.genome) for e in evaluations if (e.genome, 1) in scores and e.rung)[1]
    assert figure is not None
    assert parents[best]
    assert trace(figure, "genomes").text[0].startswith(best)
    line = max(len({place.generation for place in ancestry(frame, e.genome, "bits_per_byte", "minimize").places})
               for e in evaluations[300:])  # fmt: skip
    assert line > 12, "back to the first generation"
    orphaned = [replace(e, parents=()) if e.genome == best else e for e in evaluations]
    figure = genealogy(evaluation_frame(orphaned, layers), layers.objectives)
    assert figure is not None
    assert f"The best, {best}, has no parents" in caption_of(figure)
    assert not trace(figure, "genomes").text[0].startswith(best)
    first = {e.genome: replace(e, parents=()) for e in evaluations}.values()
    assert genealogy(evaluation_frame([*first], layers), layers.objectives) is None


def test_timeline_says_how_much_of_the_time_workers_worked(embeddings: SearchSpace) -> None:
    _, _, evaluations, _ = search(embeddings, 4)

    def at(number: int, worker: str, start: float, end: float) -> Evaluation:
        times = {"submitted": 0.0, "started": 60 * start, "ended": 60 * end, "worker": worker}
        return replace(evaluations[number], **times)

    # `a` works 4 of 10 minutes; `b` ends early and waits for `a`; `c` comes after an interruption.
    told = [at(0, "a", 0, 1), at(1, "b", 0, 5), at(2, "a", 7, 10), at(3, "c", 100, 110)]
    figure = timeline(evaluation_frame(told, embeddings))
    assert figure is not None
    assert f"{(4 + 5 + 10) / (10 + 10 + 10):.0%} of the time" in figure.layout.title.subtitle.text
    bars = [bar for bar in figure.data if bar.name != "idle"]
    drawn = {(base, length, row) for bar in bars for base, length, row in zip(bar.base, bar.x, bar.y, strict=True)}
    assert drawn == {(0, 1, 0), (0, 5, 1), (7, 3, 0), (100, 10, 2)}


def test_distributions_are_those_of_each_generation(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 120)
    frame = evaluation_frame(evaluations, layers)
    genomes = {e.genome: e for e in evaluations}.values()
    rates = gene_distributions(frame, layers, ["training.learning_rate"])
    kinds = gene_distributions(frame, layers, ["mixer.kind of every layer"])
    for generation in sorted({e.birth // 8 for e in genomes}):
        born = [e.values for e in genomes if e.birth // 8 == generation]
        median = trace(rates, "median")
        expected = np.median([values["training.learning_rate"] for values in born])
        assert median.y[list(median.x).index(generation)] == pytest.approx(expected)
        found = [layer["mixer.kind"] for values in born for layer in values["layers"]]
        for kind in ("attention", "harmonic", "wavelet"):
            bars = trace(kinds, kind)
            assert bars.y[list(bars.x).index(generation)] == pytest.approx(found.count(kind) / len(found))


def test_parallel_axes_hold_values_and_say_where_there_is_none(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 80)
    figure = parallel_coordinates(evaluation_frame(evaluations, layers), layers)
    assert figure is not None
    (lines,) = figure.data
    axes = {axis.label: axis for axis in lines.dimensions}
    first = {e.genome: e for e in evaluations if e.status == "finished" and e.rung == 0}
    order = sorted(first.values(), key=lambda e: -e.metrics["bits_per_byte"])
    assert lines.line.color == pytest.approx([e.metrics["bits_per_byte"] for e in order], rel=1e-6)
    rates = [np.log10(e.values["training.learning_rate"]) for e in order]
    assert axes["learning_rate"].values == pytest.approx(rates, rel=1e-5)
    for index in range(3):
        axis = axes[f"mixer {index + 1}"]
        names = [axis.ticktext[int(np.argmin(np.abs(np.array(axis.tickvals) - v)))] for v in axis.values]
        kinds = [
            e.values["layers"][index]["mixer.kind"] if len(e.values["layers"]) > index else "no such gene"
            for e in order
        ]
        assert names == kinds


def test_failures_count_by_class_of_reason(embeddings: SearchSpace) -> None:
    _, _, evaluations, _ = search(embeddings, 60)
    finished = [e for e in evaluations if e.status == "finished"]
    assert failures(evaluation_frame(finished, embeddings)) is None
    reasons = ["parameters 61,200 above 60,000", "parameters 99,000 above 60,000", "error: ValueError: 3", "leak: x"]
    lost = [replace(e, status="failed", reason=r) for e, r in zip(finished, reasons, strict=False)]
    figure = failures(evaluation_frame(lost, embeddings))
    assert figure is not None
    assert {note.text for note in figure.layout.annotations} == {
        "parameters above 60,000: 2", "error: ValueError: 1", "leak: 1",
    }  # fmt: skip


# --- the page ------------------------------------------------------------------------------------


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


def gene_count(space: SearchSpace) -> int:
    return len(space.genes) + len(getattr(space.genes.get("layers"), "genes", ()))


def test_page_stands_alone_and_says_who_won(embeddings: SearchSpace, layers: SearchSpace) -> None:
    for space in (embeddings, layers):
        searched = search(space, 100)
        found = checked(render(*searched))
        frame = evaluation_frame(searched[2], space)
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
        figures = gallery(frame, curve_frame(searched[3]), space, searched[2])
        plots = sum(a.get("class") == "plot" for _, a in found.elements)
        assert plots == len(figures) - 2 + 2 * gene_count(space)


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_running_search_has_a_page_from_the_start(embeddings: SearchSpace, finished: int) -> None:
    found = checked(render(*running(search(embeddings, 20), finished)))
    plots = sum(attributes.get("class") == "plot" for _, attributes in found.elements)
    assert ("No evaluation has finished yet" in found.text) == (finished == 0)
    assert ("nothing to compare it with" in found.text) == (finished == 1)
    assert plots == 0 if finished == 0 else plots >= 1
    run, space, *_ = search(embeddings, 1)
    assert "No evaluation has finished yet" in checked(render(run, space, [], {})).text


def test_texts_from_data_stay_texts() -> None:
    page = render(*hostile())
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
    frame = evaluation_frame(evaluations, layers)
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
    data = json.loads(json.dumps(card_data(space, evaluations, ranking.front(space, evaluations), curves)))
    names = short_names([*space.genes, *space.genes["layers"].genes])  # type: ignore[union-attr]

    def read(packed: list[Any]) -> dict[str, Any]:
        return dict(zip(data["shapes"][packed[0]], packed[1:], strict=True))

    def told(values: dict[str, Any]) -> dict[str, Any]:
        return {names[k]: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items() if k != "layers"}

    table = data["evaluations"]
    front_numbers = {e.number for e in ranking.front(space, evaluations)}
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
    frame = evaluation_frame(evaluations, space)
    chosen = drawn(frame, 90)
    kept = frame[chosen]
    assert 60 <= len(kept) <= 120
    assert chosen[frame["front"]].all()
    assert not frame.loc[~chosen, "genome"].isin(kept["genome"]).any(), "evaluations of a genome stay together"
    assert np.diff(kept["number"]).max() < 40, "spread over the run"
    assert drawn(frame, 400).all()
    assert drawn_numbers(evaluations, ranking.front(space, evaluations), 90) == kept["number"].tolist()

    winners = ranking.front(space, evaluations)
    whole = card_data(space, evaluations, winners, curves)
    part = card_data(space, evaluations, winners, curves, {*kept["number"]})
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
    winner = Confirmed("aa", "search", {}, 1000, 180, (2.0, 2.2), (2.3, 2.5))
    baseline = Confirmed("bb", "baseline", {}, 1000, 180, (2.35, 2.45), (2.2, 2.4))
    said = won([winner, baseline])
    assert "Genome aa won: 2.1000 ± 0.1414 bits per byte on validation" in said
    assert "0.3000 (12.5%) better than a transformer tuned with as many evaluations (2.4000 ± 0.0707); on" in said
    assert "0.1000 (4.3%) worse (2.4000 against 2.3000)" in said
    assert "less than seeds differ by" in won([replace(winner, validation=(2.2, 2.5)), baseline])
    assert "No transformer was trained" in won([winner])
    assert won([]) == ""
    assert won([baseline]) == ""


def test_large_search_is_rendered_fast_and_small(layers: SearchSpace) -> None:
    searched = search(layers, 4000, points=20)
    start = time.perf_counter()
    page = render(*searched)
    assert time.perf_counter() - start < 8
    assert len(page.encode()) < 7e6
    assert re.search(r"Of the others 2,\d\d\d of 3,\d\d\d are drawn", page)
    assert "4,000" in page


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium, driven by Playwright; the machine's own, or the one that Playwright has installed."""
    from playwright.sync_api import Error, sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    # Parallel coordinates need WebGL, which machines without a GPU have in software.
    arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=found, args=arguments)
        except Error as error:
            if "CI" in os.environ:
                pytest.fail(f"CI must have a Chromium: {error}")
            pytest.skip("no Chromium here; `playwright install chromium` fetches one")
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: "Browser", tmp_path: Path) -> "Iterator[Any]":
    """Opens a page; at the end nothing may have been complained of, asked for or shown as a dialog."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1160, "height": 900})

    def visit(html: str, name: str = "page") -> "Page":
        path = tmp_path / f"{name}.html"
        path.write_text(html, encoding="utf-8")
        page = context.new_page()
        # Drivers without a graphics card complain of how slow they are themselves.
        page.on("console", lambda m: "GL Driver Message" in m.text or complaints.append(m.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url == path.as_uri() or complaints.append(request.url))
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


def test_browser_draws_every_figure_when_it_is_scrolled_to(opened: Any, layers: SearchSpace) -> None:
    page = opened(render(*search(layers, 80)))
    assert page.locator(".plot .main-svg").count() < page.locator(".plot").count(), "what is far below waits"
    marks = drawn_marks(page)
    assert {"figure-genealogy", "figure-parallel", "figure-timeline", "figure-failures"} <= marks.keys()
    assert all(marks.values()), {name for name, count in marks.items() if not count}
    page.emulate_media(color_scheme="dark")
    assert drawn_marks(page) == marks
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")


def test_paper_gets_every_figure(opened: Any, layers: SearchSpace) -> None:
    page = opened(render(*search(layers, 60)))
    page.pdf()
    assert page.locator(".plot:not(:has(.main-svg))").count() == 0


def test_click_on_the_front_shows_the_genome(opened: Any, layers: SearchSpace) -> None:
    searched = search(layers, 120)
    _, space, evaluations, _ = searched
    page = opened(render(*searched))
    page.mouse.click(*first_of_the_front(page))
    card = page.locator("#card")
    card.wait_for()
    winners = {e.genome: e for e in ranking.front(space, evaluations)}
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


def test_a_card_of_the_front_shows_what_the_genome_is(opened: Any, layers: SearchSpace) -> None:
    searched = search(layers, 80)
    winner = ranking.front(layers, searched[2])[0]
    pictures = {winner.genome: portraits(recipe_of(layers, winner).model)}
    page = opened(render(*searched, pictures=pictures))
    page.locator(f'button[data-genome="{winner.genome}"]').click()
    told = page.locator("#card").inner_text()
    assert "What it is, before training" in told
    plots = page.locator("#card figure")
    assert plots.count() == len(pictures[winner.genome]) >= 2
    for index, figure in enumerate(pictures[winner.genome].values()):
        assert plots.nth(index).locator("h5").inner_text() == unescape(figure.layout.title.text)
        plots.nth(index).scroll_into_view_if_needed()
        assert plots.nth(index).locator(".js-line, .point path, path.point, .hm image").count() > 0
    other = next(e.genome for e in searched[2] if e.genome != winner.genome)
    page.evaluate(
        "n => window.hrfevo.showEvaluation(n, document.querySelector('section'))",
        next(e.number for e in searched[2] if e.genome == other),
    )
    assert page.locator("#card figure").count() == 0


def test_front_can_be_drawn_over_other_metrics(opened: Any, layers: SearchSpace) -> None:
    searched = search(layers, 80)
    page = opened(render(*searched))
    before = first_of_the_front(page)
    page.select_option("#choose select[name=x]", "parameters")
    page.wait_for_function("document.querySelector('#figure-front .xtitle').textContent.includes('parameters')")
    assert "against trained parameters" in page.locator("section", has=page.locator("#choose")).inner_text()
    assert first_of_the_front(page) != before
    drawn = page.evaluate(
        "document.getElementById('figure-front').data.flatMap(t => t.ids.map((n, i) => [+n, t.x[i]]))"
    )
    finished = [e for e in searched[2] if e.status == "finished"]
    assert dict(drawn) == pytest.approx({e.number: e.metrics["parameters"] for e in finished}, rel=1e-5)


def test_texts_from_data_are_shown_as_texts(opened: Any) -> None:
    searched = hostile()
    page = opened(render(*searched))
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
