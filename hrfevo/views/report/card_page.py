"""A genome's card as one HTML file that opens offline, on any screen, light or dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata

import plotly.graph_objects as go

from hrfevo.results.frames import evaluation_frame
from hrfevo.results.genome.card import Card, Relative
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures.style import BEST, FAINT, MANY, OTHER, caption_of, figure, measured, text
from hrfevo.views.figures.winners.front import front
from hrfevo.views.terminal.card import facts_of, gene_rows
from hrfevo.views.terminal.tables import CONFUSION_TITLE, number
from signal_model.analysis.page import Section, Table, render
from signal_model.support.errors import counted

COLOURS = (MANY, BEST, OTHER, FAINT)


def card_page(history: History, card: Card, run_name: str, pictures: Mapping[str, go.Figure]) -> str:
    """The whole page, with `pictures` of the model. Everything that comes from data is escaped."""
    facts, space = dict(facts_of(card)), history.space
    heading = space.measure(card.objectives[0]).heading
    lead = facts.get("standing", f"It has no score: {facts['status']}")
    sections = [
        Section("What is known", "", None, Table([], list(facts.items()), words=2)),
        Section("Genes", "", None, Table([], [*gene_rows(card.genes)], words=2)),
        *(section_of(drawn) for drawn in _figures(history, card)),
        Section("Trainings", "", None, _trainings(card, space)),
        *_confusion(card),
        *(
            Section(title, f"{counted(len(relatives), 'genome')}.", None, _relatives(relatives, heading))
            for title, relatives in (("Parents", card.parents), ("Children", card.children))
            if relatives
        ),
        *map(section_of, pictures.values()),
    ]
    footer = f"Run {run_name}, genome {card.genome}, made with hrfevo {metadata.version('hrfevo')}."
    return render(f"Genome {card.genome}", f"of run {run_name}", f"{lead[0].upper()}{lead[1:]}.", sections, footer)


def learning_curve(card: Card) -> go.Figure:
    """Training loss over steps: a line for each training."""
    first, last = card.curve[0], card.curve[-1]
    fig = figure(
        "Learning curve",
        f"Training loss from {first.bits_per_byte:.4f} at step {first.step:,} to {last.bits_per_byte:.4f} "
        f"{card.unit} at step {last.step:,}.",
        xaxis={"title": {"text": "training step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": f"training loss, {card.unit}"}},
        height=380,
    )
    for index, training in enumerate(one for one in card.trainings if one.curve):
        fig.add_scatter(
            x=[point.step for point in training.curve],
            y=[point.bits_per_byte for point in training.curve],
            mode="lines+markers" if len(training.curve) < 40 else "lines",
            name=f"to {counted(training.steps, 'step')}, seed {training.seed}",
            showlegend=True,
            line={"color": COLOURS[index % len(COLOURS)], "width": 2},
            hovertemplate="step %{x}: %{y:.4f}<extra></extra>",
        )
    return fig


def _figures(history: History, card: Card) -> Iterator[go.Figure]:
    if card.standing and card.standing.peers > 1:
        objectives = history.space.objectives
        drawn = front(evaluation_frame(history), objectives, measures=history.space.measure)
        other = "flops_per_token" if "parameters" in objectives else "parameters"
        metric, across = [*objectives, other][:2]
        metrics = next(e.metrics for e in history if e.number == card.number)
        drawn.add_scatter(
            x=[metrics[across]],
            y=[metrics[metric]],
            mode="markers",
            name=text(card.genome),
            showlegend=True,
            marker={"symbol": "circle-open", "size": 20, "color": MANY, "line": {"width": 3}},
            hovertemplate=f"this genome: {measured(metric, metrics[metric])}<extra></extra>",
        )
        yield drawn.update_layout(height=460)
    if card.curve:
        yield learning_curve(card)


def _trainings(card: Card, space: SearchSpace) -> Table:
    names = list(dict.fromkeys(name for training in card.trainings for name in training.metrics))
    heads = ["measurement", *(counted(training.steps, "step") for training in card.trainings)]
    rows = [
        ["status", *(f"{t.status}{': ' if t.reason else ''}{t.reason}" for t in card.trainings)],
        ["seed", *(str(training.seed) for training in card.trainings)],
        ["device", *(training.device for training in card.trainings)],
    ]
    for name in names:
        values = [training.metrics.get(name) for training in card.trainings]
        rows.append([space.measure(name).heading, *("–" if value is None else number(value) for value in values)])
    return Table(heads, rows)


def _confusion(card: Card) -> Iterator[Section]:
    if card.confirmed and (found := card.confirmed.confusion):
        rows = [[name, *(str(count) for count in row)] for name, row in zip(found.classes, found.counts, strict=True)]
        said = f"{CONFUSION_TITLE}."
        yield Section("What it takes for what", said, None, Table(["", *found.classes], rows))


def _relatives(relatives: Sequence[Relative], heading: str) -> Table:
    def cell(value: float | None) -> str:
        return "–" if value is None else number(value)

    rows = [(r.genome, r.operator, cell(r.generation), cell(r.steps), cell(r.score)) for r in relatives]
    return Table(["genome", "operator", "generation", "steps", heading], rows, words=2)


def section_of(drawn: go.Figure) -> Section:
    """A figure whose title and caption are HTML, which wraps on narrow screens."""
    title, caption = drawn.layout.title.text, caption_of(drawn)
    plain = go.Figure(drawn).update_layout(title=None, margin={"t": 40}, height=(drawn.layout.height or 430) - 50)
    return Section(title, caption, plain)
