"""How losses fall with size: trainings, means, laws with their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go

from hrfevo.results.scaling.scaling import Scaling
from hrfevo.space.rivals import TRANSFORMER
from hrfevo.views.figures.style import (
    BEST,
    FAINT,
    MANY,
    OTHER,
    PURPLE,
    figure,
    metric_axis,
    round_values,
    text,
    translucent,
)
from hrfevo.views.laws import crossing_in_words, foretold_in_words

# The first genome is vermillion, as the best is everywhere, the transformer blue.
GENOMES, RIVAL = (BEST, OTHER, PURPLE, FAINT), MANY
# How far beyond the largest size laws are drawn, as a power of the span of sizes, and of how many points.
AHEAD, POINTS = 0.5, 120
# What title, caption and legend take, in pixels.
HEAD = 150


def scaling(found: Scaling) -> go.Figure | None:
    """Loss against parameters, both logarithmic; None before a training of the ladder has finished."""
    if not found.rows:
        return None
    fig = figure(
        "Loss over size",
        " ".join(_caption(found)),
        xaxis={"title": {"text": "trained parameters"}, "type": "log", "tickformat": "~s"},
        yaxis=metric_axis("bits_per_byte")
        | {"title": {"text": f"{found.split} loss, {found.unit} · lower is better"}, "type": "log"},
        height=540,
        margin={"t": HEAD},
    )
    parameters = [row.parameters for row in found.rows]
    span = max(parameters) / min(parameters)
    sizes = np.geomspace(min(parameters), max(parameters) * span**AHEAD, POINTS)
    colours = _colours(found)
    if len(found.whole) > 1:
        for side in found.sides:
            _law(fig, found, side, sizes, max(parameters), colours[side])
    for side in found.sides:
        _points(fig, found, side, colours[side])
    drawn, losses = (np.concatenate([np.asarray(trace[axis], float) for trace in fig.data]) for axis in "xy")
    fig.update_xaxes(tickvals=round_values(drawn.min(), drawn.max()))
    fig.update_yaxes(tickvals=_ticks(losses.min(), losses.max()))
    return fig


def _caption(found: Scaling) -> Iterator[str]:
    if len(found.whole) < 2:
        yield "Dots are trainings, diamonds their means."
        return
    bands = "; bands are 95 % intervals over seeds alone" if found.plan.terms.seeds > 1 else ""
    yield f"Dots are trainings, diamonds their means, lines their laws, dotted beyond the largest size{bands}."
    yield from filter(None, (foretold_in_words(found, brief=True), crossing_in_words(found, brief=True)))


def _colours(found: Scaling) -> dict[str, str]:
    genomes = [side for side in found.plan.sides if side != TRANSFORMER]
    return {side: GENOMES[place % len(GENOMES)] for place, side in enumerate(genomes)} | {TRANSFORMER: RIVAL}


def _law(fig: go.Figure, found: Scaling, side: str, sizes: np.ndarray, largest: float, colour: str) -> None:
    if (band := found.band(side, sizes)) is not None:
        _, low, high = band
        fig.add_scatter(
            x=[*sizes, *sizes[::-1]],
            y=[*low, *high[::-1]],
            fill="toself",
            fillcolor=translucent(colour, 0.15),
            mode="lines",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    losses = found.law(side).at(sizes)
    for inside, dash in ((sizes <= largest, "solid"), (sizes >= sizes[sizes <= largest][-1], "dot")):
        fig.add_scatter(
            x=sizes[inside],
            y=losses[inside],
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash},
            name=text(side),
            showlegend=False,
            hovertemplate=f"{text(side)}<br>%{{x:,.0f}} parameters: %{{y:.4f}}<extra></extra>",
        )


def _points(fig: go.Figure, found: Scaling, side: str, colour: str) -> None:
    rows, name = found.of(side), text(side)
    single = [
        (row, seed, loss) for row in rows for seed, loss in zip(row.trained.seeds, row.losses(found.split), strict=True)
    ]
    fig.add_scatter(
        x=[row.parameters for row, _, _ in single],
        y=[loss for _, _, loss in single],
        mode="markers",
        marker={"color": colour, "size": 6, "opacity": 0.5},
        customdata=[seed for _, seed, _ in single],
        hovertemplate=f"{name}, seed %{{customdata}}<br>%{{x:,.0f}} parameters: %{{y:.4f}}<extra></extra>",
        showlegend=False,
    )
    fig.add_scatter(
        x=[row.parameters for row in rows],
        y=[float(np.mean(row.losses(found.split))) for row in rows],
        mode="markers",
        marker={"color": colour, "size": 11, "symbol": "diamond"},
        name=name,
        showlegend=True,
        customdata=[[f"{row.size:g}", row.width, row.layers, f"{row.tokens:,}"] for row in rows],
        hovertemplate=f"<b>{name}</b>, size %{{customdata[0]}}<br>%{{x:,.0f}} parameters, width %{{customdata[1]}}, "
        f"%{{customdata[2]}} layers, %{{customdata[3]}} tokens<br>mean %{{y:.4f}} {found.unit}<extra></extra>",
    )


def _ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers between two losses, evenly apart: so near to one another they have no decades."""
    step = next(step for step in (k * 10.0**n for n in range(-4, 3) for k in (1, 2, 5)) if (high - low) / step < 7)
    return [float(f"{step * place:.6g}") for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
