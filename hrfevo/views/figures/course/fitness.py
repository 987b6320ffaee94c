"""How the first objective gets better from generation to generation."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.frames import Objectives, finished_at
from hrfevo.space.metrics import Measures, measure
from hrfevo.views.figures.sampling import drawn
from hrfevo.views.figures.style import (
    BEST,
    FAINT,
    MANY,
    OTHER,
    figure,
    focus,
    identities,
    measured,
    metric_axis,
    metric_format,
    padded,
    text,
    translucent,
    whole_ticks,
)
from signal_model.config.task import SCORES
from signal_model.evaluation.yardsticks import Yardsticks
from signal_model.support.errors import counted

MOST_GROUPS = 100


def fitness_over_generations(
    frame: pd.DataFrame,
    objectives: Objectives,
    rung: int | None = None,
    scores: Yardsticks = MappingProxyType({}),
    measures: Measures = measure,
) -> go.Figure:
    """First objective over generations at one rung, by default the highest reached.

    Lines mark losses that need no model, `scores`, as far as they lie within the picture.
    """
    metric, direction = next(iter(objectives.items()))
    data = finished_at(frame, rung)
    score, generation = data[metric], data["generation"]
    place = data.groupby("generation")["birth"].rank(pct=True)
    x = generation + 0.7 * (place - 0.5)
    pooled = pooling(generation)
    grouped = score.groupby(group_middle(generation, pooled))
    best_of_each, median = (grouped.min() if direction == "minimize" else grouped.max()), grouped.median()
    lower, upper = grouped.quantile(0.25), grouped.quantile(0.75)
    so_far = score.cummin() if direction == "minimize" else score.cummax()
    low, high = focus(score, direction)
    hidden = int(((score < low) | (score > high)).sum())
    steps = data["steps"].iloc[0]
    told = drawn(frame).reindex(data.index)

    group = "a generation" if pooled == 1 else f"{pooled} generations"
    first_best, last_best, first_median, last_median = (
        measured(metric, series.iloc[end]) for series in (so_far, median) for end in (0, -1)
    )
    fig = figure(
        f"Fitness over generations, after {counted(steps, 'training step')}",
        f"The best so far goes from {first_best} to {last_best}, the median of {group} from {first_median} to "
        f"{last_median}; the band holds the middle half of {group}, each dot is one evaluation"
        + ("" if told.all() else f", {int(told.sum()):,} of {len(told):,} are drawn")
        + (f" ({counted(hidden, 'bad one')} outside the picture)." if hidden else "."),
        xaxis={"title": {"text": "generation"}, "range": padded(-0.5, generation.max() + 0.5, share=0.01)}
        | whole_ticks(generation.max()),
        yaxis=metric_axis(metric, measures=measures) | {"range": padded(low, high)},
    )
    form = metric_format(metric)
    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": "band"}
    fig.add_scatter(x=lower.index, y=lower, showlegend=False, name="lower quartile", **edge)
    fig.add_scatter(x=upper.index, y=upper, fill="tonexty", fillcolor=translucent(MANY), name="middle half", **edge)
    dots = data[told]
    fig.add_scatter(
        x=x[told],
        y=score[told],
        mode="markers",
        name="evaluations",
        marker={"color": FAINT, "size": 6 if len(dots) < 500 else 4, "opacity": 0.65},
        ids=identities(dots),
        customdata=dots["genome"].map(text),
        hovertemplate=f"%{{customdata}}<br>%{{y:{form}}}<extra></extra>",
    )
    for series, name, colour, dash in (
        (median, "median", MANY, "dash"),
        (best_of_each, f"best of {group}", OTHER, "dot"),
    ):
        fig.add_scatter(
            x=series.index,
            y=series,
            mode="lines+markers" if len(series) < 60 else "lines",
            name=name,
            line={"color": colour, "width": 2, "dash": dash},
            marker={"size": 5},
            hovertemplate=f"{name} %{{x}}: %{{y:{form}}}<extra></extra>",
        )
    if metric in SCORES:
        for name, level in scores.items():
            if low <= level <= high:
                fig.add_hline(level, line={"color": FAINT, "width": 1, "dash": "dash"}, annotation_text=text(name))
    # Where it changes, and the end.
    steps_down = so_far.ne(so_far.shift()) | (np.arange(len(so_far)) == len(so_far) - 1)
    fig.add_scatter(
        x=x[steps_down],
        y=so_far[steps_down],
        mode="lines",
        name="best so far",
        line={"color": BEST, "width": 3, "shape": "hv"},
        hovertemplate=f"best so far: %{{y:{form}}}<extra></extra>",
    )
    return fig


def pooling(generation: pd.Series, most: int = MOST_GROUPS) -> int:
    """How many generations make one group: more than `most` groups would hide one another."""
    return -(-(int(generation.max()) + 1) // most)


def group_middle(generation: pd.Series, pooled: int) -> pd.Series:
    """The group of each generation, named by its middle."""
    middle: pd.Series = generation // pooled * pooled + (pooled - 1) / 2
    return middle
