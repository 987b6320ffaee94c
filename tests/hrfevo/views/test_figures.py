"""Frames and figures of the report show what the store holds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from hrfevo.algorithms.breeding.individual import Fitness
from hrfevo.results.frames import curve_frame, evaluation_frame
from hrfevo.results.genome.lineage import lineage
from hrfevo.results.history import History
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.views.figures import (
    failures,
    fitness_over_generations,
    front,
    gene_distributions,
    gene_values,
    genealogy,
    learning_curves,
    parallel_coordinates,
    progress,
    timeline,
)
from hrfevo.views.figures.gallery import Figures
from hrfevo.views.figures.style import caption_of, round_values
from hrfevo.views.figures.winners.tree import tree
from tests.tools.synthetic import LAYERS, search


def trace(figure: Any, name: str) -> Any:
    return next(trace for trace in figure.data if trace.name == name)


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def test_frame_has_a_row_per_evaluation_and_a_column_per_gene(layers: SearchSpace) -> None:
    _, _, evaluations, curves = search(layers, 60)
    frame = evaluation_frame(History(layers, tuple(evaluations)))
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
    figure = fitness_over_generations(evaluation_frame(History(layers, tuple(evaluations))), layers.objectives)
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
        figure = front(evaluation_frame(History(space, tuple(evaluations))), space.objectives)
        drawn = {genome for genome, *_ in trace(figure, "front").customdata}
        assert drawn == expected
        grey = [point for t in figure.data if t.name not in ("front", "edge") for point in t.customdata]
        assert len(grey) + len(drawn) == len(finished)


def test_bands_are_the_intervals(embeddings: SearchSpace) -> None:
    _, _, evaluations, _ = search(embeddings, 120)
    figure = gene_values(
        evaluation_frame(History(embeddings, tuple(evaluations))), embeddings, ["embedding.frequencies"]
    )
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
    figure = gene_values(evaluation_frame(History(layers, tuple(evaluations))), layers, ["mixer.kind of every layer"])
    names = figure.layout.yaxis.ticktext
    drawn = sorted((x, names[round(y)]) for dots in figure.data for x, y in zip(dots.x, dots.y, strict=True))
    genomes = {e.birth: e.values["layers"] for e in evaluations}
    assert drawn == sorted((birth, layer["mixer.kind"]) for birth, found in genomes.items() for layer in found)


def test_learning_curves_draw_a_sample_with_the_front(embeddings: SearchSpace) -> None:
    _, _, evaluations, curves = search(embeddings, 300)
    frame = evaluation_frame(History(embeddings, tuple(evaluations)))
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
    figure = learning_curves(
        curve_frame(curves), evaluation_frame(History(layers, tuple(evaluations))), layers.objectives
    )
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


def test_progress_counts_each_second_of_training_once(embeddings: SearchSpace) -> None:
    _, _, evaluations, _ = search(embeddings, 60)
    promoted = replace(evaluations[0], metrics=evaluations[0].metrics | {"train_seconds": 99.0})
    frame = evaluation_frame(History(embeddings, (promoted, *evaluations[1:])))
    assert frame.loc[0, "spent"] == 30, "no more than the worker was there"
    higher = replace(promoted, rung=1, metrics=promoted.metrics | {"train_seconds": 24.0, "train_steps": 40})
    longer = History(embeddings.model_copy(update={"rungs": [20, 60]}), (higher,))
    assert evaluation_frame(longer)["spent"].tolist() == [16.0], "that of its own steps"
    figure = progress(frame, embeddings.objectives)
    assert figure is not None
    spent = frame["spent"].sum()
    assert trace(figure, "hypervolume").x[-1] == pytest.approx(spent / 60)
    assert np.all(np.diff(trace(figure, "hypervolume").y) >= 0)
    alone = progress(frame, {"bits_per_byte": "minimize"})
    assert alone is not None
    scores = frame.loc[frame["status"] == "finished", "bits_per_byte"]
    assert trace(alone, "best so far").y[-1] == scores.min()
    assert (
        progress(evaluation_frame(History(embeddings, tuple(e for e in evaluations if e.status == "failed"))), {})
        is None
    )


def test_genealogy_is_a_tree_of_real_parents_without_overlap(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 400)
    frame = evaluation_frame(History(layers, tuple(evaluations)))
    parents = {e.genome: e.parents for e in evaluations}
    scores = {(e.genome, e.rung): e.metrics["bits_per_byte"] for e in evaluations if e.status == "finished"}
    for winner in [e.genome for e in evaluations[300:340]]:
        found = tree(lineage(History(layers, tuple(evaluations)), winner))
        every, waiting = set(), [winner]
        while waiting:
            new = set(parents[waiting.pop()]) - every
            every |= new
            waiting += new
        assert {place.ancestor.genome for place in found[1:]} <= every
        assert len({(place.row, place.column) for place in found}) == len(found)
        for place in found[1:]:
            child, own = found[place.child], place.ancestor.genome  # type: ignore[index]
            genome = child.ancestor.genome
            assert own in parents[genome]
            assert place.column < child.column
            assert place.row >= child.row
            common = [r for r in (0, 1) if (own, r) in scores and (genome, r) in scores]
            gain = scores[own, common[-1]] - scores[genome, common[-1]] if common else None
            assert place.descent.gain == pytest.approx(gain)  # type: ignore[union-attr]
        originals = [place.ancestor.genome for place in found if not place.again]
        assert len(set(originals)) == len(originals)
    history = History(layers, tuple(evaluations))
    figure = genealogy(frame, history)
    best = min((e.metrics["bits_per_byte"], e.genome) for e in evaluations if (e.genome, 1) in scores and e.rung)[1]
    assert figure is not None
    assert parents[best]
    labels, hovers = trace(figure, "genomes").text, trace(figure, "genomes").customdata
    assert labels[0].startswith(best)
    # Of mixed lengths of training, each score says of which it is.
    assert {label.partition("<br>")[2].partition(" ")[2] for label in labels} >= {"after 20 steps", "after 60 steps"}
    assert all(label.rpartition(" after ")[2] in hover for label, hover in zip(labels, hovers, strict=True))
    line = max(len({place.ancestor.generation for place in tree(lineage(history, e.genome))})
               for e in evaluations[300:])  # fmt: skip
    assert line > 12, "back to the first generation"
    orphaned = [replace(e, parents=()) if e.genome == best else e for e in evaluations]
    history = History(layers, tuple(orphaned))
    figure = genealogy(evaluation_frame(history), history)
    assert figure is not None
    assert f"The best, {best}, has no parents" in caption_of(figure)
    assert not trace(figure, "genomes").text[0].startswith(best)
    first = [*{e.genome: replace(e, parents=()) for e in evaluations}.values()]
    assert genealogy(evaluation_frame(History(layers, tuple(first))), History(layers, tuple(first))) is None


def test_timeline_says_how_much_of_the_time_workers_worked(embeddings: SearchSpace) -> None:
    _, _, evaluations, _ = search(embeddings, 4)

    def at(number: int, worker: str, start: float, end: float) -> Evaluation:
        times = {"submitted": 0.0, "started": 60 * start, "ended": 60 * end, "worker": worker}
        return replace(evaluations[number], **times)

    # `a` works 4 of 10 minutes; `b` ends early and waits for `a`; `c` comes after an interruption, in the row of `a`.
    told = [at(0, "a", 0, 1), at(1, "b", 0, 5), at(2, "a", 7, 10), at(3, "c", 100, 110)]
    figure = timeline(evaluation_frame(History(embeddings, tuple(told))))
    assert figure is not None
    assert f"{(4 + 5 + 10) / (10 + 10 + 10):.0%} of the time" in figure.layout.title.subtitle.text
    bars = [bar for bar in figure.data if bar.name != "idle"]
    drawn = {(base, length, row) for bar in bars for base, length, row in zip(bar.base, bar.x, bar.y, strict=True)}
    assert drawn == {(0, 1, 0), (0, 5, 1), (7, 3, 0), (100, 10, 0)}
    assert caption_of(figure).startswith("2 workers at a time, 3 in all,")
    # One that has died is there no longer once another takes its place.
    told = [at(0, "a", 0, 10), at(1, "b", 0, 5), at(2, "d", 6, 10)]
    figure = timeline(evaluation_frame(History(embeddings, tuple(told))))
    assert figure is not None
    assert [(base, base + length) for base, length in zip(figure.data[0].base, figure.data[0].x, strict=True)] == [
        (0, 10), (0, 6), (6, 10)
    ]  # fmt: skip


def test_few_whole_numbers_have_a_tick_each(embeddings: SearchSpace) -> None:
    _, _, evaluations, _ = search(embeddings, 6)
    few = tuple(replace(e, birth=e.number, rung=0, status="finished", metrics=evaluations[0].metrics)
                for e in evaluations[:5])  # fmt: skip
    axis = gene_values(evaluation_frame(History(embeddings, few)), embeddings).layout.xaxis
    assert (axis.dtick, axis.range[1] > 4) == (1, True)
    many = gene_values(evaluation_frame(History(embeddings, tuple(search(embeddings, 60)[2]))), embeddings)
    assert many.layout.xaxis.dtick is None


def test_distributions_are_those_of_each_generation(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 120)
    frame = evaluation_frame(History(layers, tuple(evaluations)))
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
    figure = parallel_coordinates(evaluation_frame(History(layers, tuple(evaluations))), layers)
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
    assert failures(evaluation_frame(History(embeddings, tuple(finished)))) is None
    reasons = ["parameters 61,200 above 60,000", "parameters 99,000 above 60,000", "error: ValueError: 3", "leak: x"]
    lost = [replace(e, status="failed", reason=r) for e, r in zip(finished, reasons, strict=False)]
    figure = failures(evaluation_frame(History(embeddings, tuple(lost))))
    assert figure is not None
    assert {note.text for note in figure.layout.annotations} == {
        "parameters above 60,000: 2", "error: ValueError: 1", "leak: 1",
    }  # fmt: skip


def test_a_figure_that_a_run_lacks_is_said_with_those_that_it_has() -> None:
    figures = Figures({"front": go.Figure(), "fitness": go.Figure()})
    assert ("front" in figures, "fronts" in figures, figures.get("fronts"), len(figures)) == (True, False, None, 2)
    with pytest.raises(KeyError) as error:
        figures["fronts"]
    accepted = "accepted: front, fitness"
    assert str(error.value) == f"figure 'fronts': the run has no such figure (did you mean 'front'?); {accepted}"
    with pytest.raises(KeyError, match="the run has too few evaluations for any"):
        Figures()["front"]


def test_the_best_is_drawn_however_large_the_front(layers: SearchSpace) -> None:
    _, _, evaluations, curves = search(layers, 100)
    frame = evaluation_frame(History(layers, tuple(evaluations)))
    assert frame["front"].sum() > 3
    figure = learning_curves(curve_frame(curves), frame, layers.objectives, limit=3)
    best = frame.loc[frame["place"] == 0, "genome"].item()
    assert {*trace(figure, f"best: {best}").customdata} == {best}


def test_a_caption_says_where_values_are_left_out(layers: SearchSpace) -> None:
    """A gene of layers has several values in each genome."""
    deep = parse_space(LAYERS.replace("min: 1\n    max: 3", "min: 3\n    max: 4"), "deep.yaml")
    for space, all_are_drawn in ((layers, True), (deep, False)):
        _, _, evaluations, _ = search(space, 180)
        figure = gene_values(evaluation_frame(History(space, tuple(evaluations))), space, ["mixer.kind of every layer"])
        genomes = {e.genome: e.values["layers"] for e in evaluations}
        assert (sum(len(dots.x) for dots in figure.data) == sum(map(len, genomes.values()))) == all_are_drawn
        assert ("400 dots" in caption_of(figure)) != all_are_drawn


def test_outside_a_picture_is_what_lies_beyond_the_axes_that_are_drawn(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 60)
    slow = next(e for e in evaluations if e.status == "finished" and e.rung == 0)
    changed = [replace(e, metrics=e.metrics | {"step_time": 900.0}) if e is slow else e for e in evaluations]
    frame = evaluation_frame(History(layers, tuple(changed)))
    frame["bits_per_byte"] = frame["bits_per_byte"].where(frame["bits_per_byte"].isna(), 2.0)
    assert "are outside the picture" in caption_of(front(frame, layers.objectives))
    assert "outside" not in caption_of(front(frame, layers.objectives, x="parameters"))


@pytest.mark.parametrize(("low", "high"), [(61_000, 64_000), (1.01e6, 1.02e6), (1e-3, 1.2e-3), (2.5, 2.5), (1, 1e6)])
def test_a_logarithmic_axis_has_ticks_however_little_it_spans(low: float, high: float) -> None:
    ticks = round_values(low, high)
    assert len({*ticks}) == len(ticks) >= (1 if low == high else 2)
    room = (high - low) / 6
    assert all(low - room <= tick <= high + room for tick in ticks)
