"""Whether genomes stand in the same order at a rung as at the last."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.agreement import agreements, pairs
from hrfevo.results.history import History
from hrfevo.views.figures.sampling import drawn_numbers
from hrfevo.views.figures.style import figure, focus, metric_axis, metric_format, metric_name, padded, rung_color, text
from signal_model.support.errors import counted, listed


def agreement(history: History) -> go.Figure | None:
    """What genomes had at each lower rung against what they have at the last, in the first objective that training
    improves; None where `agreements` has nothing to say.
    """
    space, told = history.space, agreements(history)
    if not told:
        return None
    metric = told[0].objective
    heading = space.measure(metric).heading
    told = [one for one in told if one.objective == metric]
    taus = listed([f"{one.words} after {counted(one.steps, 'step')}" for one in told])
    below = counted(told[0].steps, "step") if len(told) == 1 else "fewer steps"
    fig = figure(
        f"Order after {below} and after {told[0].last_steps:,}",
        f"Each dot is a genome trained to both: the nearer all of them lie to one rising line, the better choosing "
        f"early is. Kendall's τ of the {metric_name(metric)}, with its 95 % interval: {taus}. Those promoted were "
        "chosen, so among all genomes it would likely be higher."
        + "".join(f" Beware: {one.warning}." for one in told if one.warning),
        xaxis=metric_axis(metric) | {"title": {"text": f"{heading}, after {below}"}},
        yaxis=metric_axis(metric) | {"title": {"text": f"{heading}, after {counted(told[0].last_steps, 'step')}"}},
    )
    numbers = drawn_numbers(history, [])
    kept = None if numbers is None else {*numbers}
    form, direction = metric_format(metric), space.objectives[metric]
    lows: list[float] = []
    highs: list[float] = []
    for one in told:
        both = [(e, low) for e, low in pairs(history, metric, one.rung) if kept is None or e.number in kept]
        x, y = np.array([low for _, low in both]), np.array([e.metrics[metric] for e, _ in both])
        lows += focus(pd.Series(x), direction)
        highs += focus(pd.Series(y), direction)
        fig.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=f"after {counted(one.steps, 'step')}: τ {one.tau:.2f}",
            showlegend=True,
            marker={"color": rung_color(one.rung + 1, len(space.rungs)), "size": 8, "opacity": 0.75},
            ids=[str(e.number) for e, _ in both],
            customdata=[text(e.genome) for e, _ in both],
            hovertemplate=f"%{{customdata}}<br>%{{x:{form}}} after {counted(one.steps, 'step')}<br>"
            f"%{{y:{form}}} after {one.last_steps:,}<extra></extra>",
        )
    fig.update_xaxes(range=padded(min(lows), max(lows)))
    fig.update_yaxes(range=padded(min(highs), max(highs)))
    return fig
