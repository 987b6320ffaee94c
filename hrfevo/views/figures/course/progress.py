"""What a search had attained after how much training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.pareto import Hypervolume
from hrfevo.results.frames import Objectives, finished_at
from hrfevo.space.metrics import METRICS, Measures, measure
from hrfevo.views.figures.style import (
    BEST,
    figure,
    measured,
    measurement_in_words,
    metric_axis,
    metric_format,
    span_of_time,
)
from hrfevo.views.terminal.tables import duration
from signal_model.support.errors import counted, listed


def progress(frame: pd.DataFrame, objectives: Objectives, measures: Measures = measure) -> go.Figure | None:
    """Hypervolume of the objectives at the highest rung over the training time of all rungs; with one objective its
    best so far. None before anything has finished.
    """
    ended = frame[frame["minutes"].notna()].sort_values("minutes", kind="stable")
    spent = ended["spent"].fillna(0.0).cumsum()
    top = finished_at(ended).sort_values("minutes", kind="stable")
    if top.empty:
        return None
    points = top[[*objectives]].to_numpy(dtype=float)
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in objectives.values()])
    losses = points * signs
    several = len(objectives) > 1
    places, attained = Hypervolume.around(losses).growth(losses) if several else _records(losses[:, 0])
    values = attained if several else attained * signs[0]
    total = float(spent.iloc[-1])
    unit, seconds = span_of_time(total)
    steps = counted(top["steps"].iloc[0], "step")
    # Nothing is attained before the first; the last stays until the end.
    times = np.append(spent.loc[top.index].to_numpy()[places], total)
    metric = next(iter(objectives))
    if several:
        names = listed([METRICS[name].words for name in objectives])
        title = f"Hypervolume over training time, after {steps}"
        caption = (
            f"The share of the box between the best and the worst {names} measured after {steps} that the front "
            f"dominates, over the {duration(total)} that trainings of all lengths took; the reference point is the "
            f"worst value of each, and the last improvement came after {duration(float(times[-2]))}."
        )
        axis = {"title": {"text": "hypervolume, share of the box"}, "tickformat": ".0%", "rangemode": "tozero"}
        form = ".1%"
    else:
        title = f"Best so far over training time, after {steps}"
        best = measurement_in_words(metric, measured(metric, values[-1]), measures)
        caption = (
            f"The best {best} was found after {duration(float(times[-2]))} of the {duration(total)} that trainings of "
            "all lengths took."
        )
        axis, form = metric_axis(metric, measures=measures), metric_format(metric)
    fig = figure(title, caption, xaxis={"title": {"text": f"training time, {unit}"}, "rangemode": "tozero"}, yaxis=axis)
    fig.add_scatter(
        x=times / seconds,
        y=np.append(values, values[-1]),
        mode="lines",
        line={"color": BEST, "width": 3, "shape": "hv"},
        name="hypervolume" if several else "best so far",
        hovertemplate=f"%{{x:.3g}} {unit}: %{{y:{form}}}<extra></extra>",
    )
    return fig


def _records(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a sequence is below all before, and the values there."""
    least = np.minimum.accumulate(values)
    places = np.flatnonzero(np.append(True, least[1:] < least[:-1]))
    return places, values[places]
