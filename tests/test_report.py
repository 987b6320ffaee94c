"""The report: figures show what the store holds; the page stands alone, whatever the data says."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrfevo.genome import sample
from hrfevo.individual import Fitness
from hrfevo.records import Point, Status
from hrfevo.report import (
    curve_frame,
    evaluation_frame,
    failures,
    fitness_over_generations,
    front,
    gene_values,
    learning_curves,
    render,
)
from hrfevo.space import SearchSpace
from hrfevo.store import Evaluation, Run
from hrfevo.validation import load_space, parse_space
from tests.conftest import ROOT

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
        if len(space.rungs) > 1 and number % 4 == 3:
            earlier = evaluations[number - 2]
            identity, values, birth, rung = earlier.genome, earlier.values, earlier.birth, 1
        status: Status = "finished" if generator.random() > 0.1 else "failed"
        reason = "diverged: loss is nan" if status == "failed" else ""
        metrics = {"parameters": float(generator.integers(50_000, 90_000)), "flops_per_token": 1e5, "state_size": 64.0}
        if status == "finished":
            score = float(2.5 - 0.3 * rung + generator.exponential(0.2))
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
                operator="random",
                parents=(),
                rung=rung,
                seed=7,
                status=status,
                reason=reason,
                detail="",
                metrics=metrics,
                worker="host:1",
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
            "description": HOSTILE[0],
            "genes": {"embedding.kind": {"type": "choice", "values": HOSTILE}},
            "rungs": [10],
            "population": 4,
            "budget": {"evaluations": 10},
        }
    )
    run, _, evaluations, curves = search(space, 30)
    settings = {key: HOSTILE[index] for index, key in enumerate(("seed", "algorithm", "corpus", "versions"))}
    evaluations = [replace(e, device=HOSTILE[1], reason=e.reason and HOSTILE[e.number % 4]) for e in evaluations]
    return replace(run, name=HOSTILE[0], reason=HOSTILE[1], settings=settings), space, evaluations, curves


def trace(figure: Any, name: str) -> Any:
    return next(trace for trace in figure.data if trace.name == name)


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
    best = trace(figure, "best so far").y
    assert list(best) == [min(scores[: n + 1]) for n in range(len(scores))]
    assert all(np.diff(best) <= 0)
    assert list(trace(figure, "evaluations").y) == scores
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
    *lines, best, _ = figure.data
    assert sum(np.isnan(line.x).sum() + 1 for line in lines) == 50
    assert set(frame[frame["front"]]["genome"]) <= {genome for line in lines for genome in line.customdata}
    assert f"50 evaluations, the front and an even sample of {len(curves)}" in figure.layout.title.subtitle.text
    finished = frame[frame["status"] == "finished"]
    number = finished.loc[finished["bits_per_byte"].idxmin(), "number"]
    assert list(best.y) == [point.bits_per_byte for point in curves[number]]


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
        assert tag not in ("link", "img", "iframe", "a", "base")
        assert not {"src", "href", "action", "onerror", "onload"} & set(attributes)
    assert [tag for tag, _ in checker.elements].count("script") == 3
    assert page.count("plotly.js v") == 1
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert not re.search(r"url\(\s*['\"]?https?:", page.split("</style>")[0])
    return checker


def test_page_stands_alone_and_says_who_won(embeddings: SearchSpace, layers: SearchSpace) -> None:
    for space in (embeddings, layers):
        searched = search(space, 100)
        found = checked(render(*searched))
        frame = evaluation_frame(searched[2], space)
        best = frame[frame["front"]].sort_values("bits_per_byte").iloc[0]
        assert f"Best genome {best['genome']}: validation loss {best['bits_per_byte']:.4f} bits per byte" in found.text
        assert "better than the median of the first generation" in found.text
        assert "Not confirmed." in found.text
        assert f"{(frame['status'] == 'finished').sum()} finished" in found.text
        assert all(genome in found.text for genome in frame.loc[frame["front"], "genome"])
        genes = len(space.genes) + len(getattr(space.genes.get("layers"), "genes", ()))
        assert sum(a.get("class") == "plot" for _, a in found.elements) == genes + 4 + len(space.rungs)


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
    # Escaped twice: for Plotly, which reads labels as HTML, and for the script element.
    assert not re.search(r"[<>]", data[1])
    assert "&lt;b&gt;x&lt;/b&gt;".replace("/", "\\u002f") in data[1]
    assert not re.search(r"\\u003c(script|b\\u003ex|a )", data[1])


def test_large_search_is_rendered_fast_and_small(layers: SearchSpace) -> None:
    searched = search(layers, 2000, points=20)
    start = time.perf_counter()
    page = render(*searched)
    assert time.perf_counter() - start < 8
    assert len(page.encode()) < 7e6


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and "CI" not in os.environ:
        pytest.skip("no Chromium here")
    assert found is not None, "CI must have a Chromium"
    return found


def test_browser_draws_every_figure_without_complaint(chromium: str, layers: SearchSpace, tmp_path: Path) -> None:
    for name, searched in (("layers", search(layers, 60)), ("hostile", hostile())):
        path = tmp_path / f"{name}.html"
        path.write_text(render(*searched), encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        options += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom", path.as_uri()]
        result = subprocess.run([chromium, *options], capture_output=True, text=True, timeout=90)
        assert "CONSOLE" not in result.stderr, result.stderr
        plots = result.stdout.split('id="figures">')[0].split('id="figure-')[1:]
        assert len(plots) >= 5
        assert all("main-svg" in plot for plot in plots)
    shown = result.stdout.split('id="figures">')[0]
    assert ">&lt;b&gt;x&lt;/b&gt;</text>" in shown
    assert "<a " not in re.sub(r'<a rel="tooltip"', "", shown)
    assert "font-weight:bold" not in shown
