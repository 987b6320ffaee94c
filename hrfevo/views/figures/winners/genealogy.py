"""The genealogy of the winner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.frames import best_of, finished_at
from hrfevo.results.genome.lineage import lineage
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures.style import BEST, FAINT, MANY, OTHER, figure, measured, metric_name, text
from hrfevo.views.figures.winners.tree import Place, tree
from signal_model.support.errors import counted

# Pixels of a column and of a row; where in a gap between columns an edge leaves its row and arrives at another, so
# that it meets neither its own words, which begin at the parent, nor those below the child.
COLUMN, ROW, LEAVES, ARRIVES = 230, 66, 0.56, 0.78


def genealogy(frame: pd.DataFrame, history: History) -> go.Figure | None:
    """The ancestors of the best genome by generation, with operator and gain on each edge.

    `frame` is `evaluation_frame(history)`. Where the best has no parents, those of the best that has; None
    if there is no such genome.
    """
    metric, _ = history.space.first_objective
    top = finished_at(frame)
    if top.empty:
        return None
    best = best_of(top, history.space.objectives)
    children = top[top["parents"].map(len) > 0]
    if children.empty:
        return None
    winner = best_of(children, history.space.objectives) if len(best["parents"]) == 0 else best
    ancestors = lineage(history, winner["genome"])
    total = len(ancestors) - 1
    if total == 0:
        return None
    whose = f"The best, {text(best['genome'])}, has no parents; this is the best of those that have. "
    whose = "" if winner["genome"] == best["genome"] else whose
    places = tree(ancestors)
    shown = len({place.ancestor.genome for place in places}) - 1
    fewer = "" if shown == total else f"; the nearest {shown} of {total:,} are drawn, “…” has more"
    repeated = "; hollow ones are drawn elsewhere too" if any(place.again for place in places) else ""
    columns, rows = 1 + max(p.column for p in places), 1 + max(p.row for p in places)
    generations = {place.column: place.ancestor.generation for place in places}
    told = history.space.measure(metric).unit
    unit = f" ({told})" if told else ""
    fig = figure(
        f"Where genome {winner['genome']} comes from",
        f"{whose}{counted(total, 'ancestor')}, the better parent of each in its row; an edge says what made the "
        f"child, and by how much its {metric_name(metric)} is better (+) or worse (−) than that parent's after equal "
        f"training{unit}; a dash stands where the two were never trained equally far{fewer}{repeated}.",
        xaxis={
            "title": {"text": "generation"},
            "tickvals": list(generations),
            "ticktext": ["earlier" if one is None else str(one) for one in generations.values()],
            "range": [-0.35, columns - 0.5],
            "showgrid": False,
        },
        yaxis={"visible": False, "range": [rows - 0.3, -0.55]},
        legend={"x": 1, "xanchor": "right"},
        height=190 + ROW * rows,
        width=max(480, 60 + COLUMN * columns),
        # Where there is not room for all, the winner is what a page shows first.
        meta={"scroll": "end"},
    )
    styles: tuple[tuple[str, dict[str, Any]], ...] = (
        ("better than this parent", {"color": OTHER, "width": 2.5}),
        ("no better", {"color": FAINT, "width": 2}),
        ("not comparable", {"color": FAINT, "width": 1.5, "dash": "dot"}),
    )
    for name, line in styles:
        edges = [place for place in places if _kind(place) == name]
        if edges:
            paths = [_path(edge, places[edge.child]) for edge in edges if edge.child is not None]
            x, y = (np.concatenate([np.append(path[axis], np.nan) for path in paths]) for axis in (0, 1))
            fig.add_scatter(x=x, y=y, mode="lines", line=line, name=name, hoverinfo="skip", showlegend=True)
    _write_edges(fig, places, metric)
    _draw_nodes(fig, frame, history.space, places, metric)
    return fig


def _kind(place: Place) -> str:
    """Of the edge to its child; none of the winner."""
    if place.descent is None:
        return ""
    if place.descent.gain is None:
        return "not comparable"
    return "better than this parent" if place.descent.gain > 0 else "no better"


def _path(parent: Place, child: Place) -> tuple[np.ndarray, np.ndarray]:
    """Along the parent's row as far as the last gap, then over to the child."""
    start, end = child.column - 1 + LEAVES, child.column - 1 + ARRIVES
    share = np.linspace(0, 1, 16)
    bend = share * share * (3 - 2 * share)
    x = np.concatenate([[parent.column], start + share * (end - start), [child.column]])
    y = np.concatenate([[parent.row], parent.row + bend * (child.row - parent.row), [child.row]])
    return x, y


def _write_edges(fig: go.Figure, places: Sequence[Place], metric: str) -> None:
    edges = [place for place in places if place.child is not None]
    labels = []
    for edge in edges:
        assert edge.child is not None
        assert edge.descent is not None
        gain = edge.descent.gain
        words = "–" if gain is None else measured(metric, gain).replace("-", "−")
        sign = "+" if gain is not None and gain > 0 else ""
        labels.append(f"{text(places[edge.child].ancestor.operator)} {sign}{words}")
    fig.add_scatter(
        x=[edge.column + 0.08 for edge in edges],
        y=[edge.row - 0.05 for edge in edges],
        mode="text",
        text=labels,
        textposition="top right",
        textfont={"size": 11},
        hoverinfo="skip",
        showlegend=False,
        name="edges",
    )


def _draw_nodes(fig: go.Figure, frame: pd.DataFrame, space: SearchSpace, places: Sequence[Place], metric: str) -> None:
    numbers = frame.drop_duplicates("genome", keep="last").set_index("genome")["number"]
    labels, hovers = [], []
    several = len({max(place.ancestor.scores) for place in places if place.ancestor.scores}) > 1
    for place in places:
        one, score, after = place.ancestor, "no score", ""
        if one.scores:
            rung = max(one.scores)
            score, after = measured(metric, one.scores[rung]), f" after {counted(space.rungs[rung], 'step')}"
        # Scores of different lengths of training do not compare, so they are told apart.
        labels.append(f"{'… ' if place.cut else ''}{text(one.genome)}<br>{score}{after if several else ''}")
        origin = text(one.operator) + ("" if one.generation is None else f", generation {one.generation}")
        hovers.append(f"<b>{text(one.genome)}</b>, {origin}<br>{space.measure(metric).heading} {score}{after}")
    colors = [BEST if place.child is None else MANY for place in places]
    fig.add_scatter(
        x=[place.column for place in places],
        y=[place.row for place in places],
        mode="markers+text",
        marker={
            "opacity": 1,
            "size": [16 if place.child is None else 12 for place in places],
            "color": colors,
            "symbol": ["circle-open" if place.again else "circle" for place in places],
            "line": {"width": [2 if place.again else 0 for place in places], "color": colors},
        },
        text=labels,
        textposition="bottom center",
        textfont={"size": 11},
        # One drawn again needs another id: of points with the same, plotly.js draws only one.
        ids=[
            f"{numbers[place.ancestor.genome]}{f'.{index}' if place.again else ''}"
            for index, place in enumerate(places)
        ],
        customdata=hovers,
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
        cliponaxis=False,
        name="genomes",
    )
