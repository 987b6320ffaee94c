"""Any two measurements against one another, with the front: what no other evaluation beats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.frames import Objectives, finished_at
from hrfevo.results.gene_frames import GENE, gene_columns
from hrfevo.space.metrics import METRICS, Measures, Metric, measure
from hrfevo.space.ranges import rounded
from hrfevo.views.figures.sampling import drawn
from hrfevo.views.figures.style import (
    BEST,
    FAINT,
    figure,
    focus,
    identities,
    measurement_in_words,
    metric_axis,
    metric_format,
    metric_name,
    padded,
    round_values,
    shown,
    text,
)
from hrfevo.views.terminal.tables import short_names
from signal_model.support.errors import counted

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")

# All the genes that the points of one figure may carry, in characters: pages stay small whatever the number of genes.
HOVER_TEXT = 250_000


def front(
    frame: pd.DataFrame,
    objectives: Objectives,
    x: Metric | None = None,
    y: Metric | None = None,
    measures: Measures = measure,
) -> go.Figure:
    """Two metrics against one another, by default the first objective over the second, or over parameters if there is
    one only. The front is that of all objectives, whichever two are drawn.
    """
    across, metric = drawn_first(objectives)
    across, metric = x or across, y or metric
    finished = frame[(frame["status"] == "finished") & frame[metric].notna() & frame[across].notna()]
    top = finished_at(finished)
    winners = top[top["front"]].sort_values(across)
    others = finished[~finished["front"]]
    told = others[drawn(frame).reindex(others.index)]
    rungs = sorted(finished["rung"].unique())
    axes = {name: front_axis(frame, objectives, name, measures) for name in (across, metric)}
    fig = figure(
        front_title(across, metric),
        _caption(finished, top, objectives, axes)
        + ("" if len(told) == len(others) else f" Of the others {len(told):,} of {len(others):,} are drawn."),
        xaxis=axes[across],
        yaxis=axes[metric],
    )
    for rung in rungs:
        data = told[told["rung"] == rung]
        steps = finished.loc[finished["rung"] == rung, "steps"].iloc[0]
        marker = {"color": FAINT, "size": 7 if len(data) < 500 else 5, "opacity": 0.45, "symbol": _symbol(rung)}
        name = counted(steps, "step") if len(rungs) > 1 else "evaluations"
        _points(fig, data, metric, across, objectives, name, marker, measures)
    if [*objectives] == [metric, across]:
        # Everything behind this line is dominated.
        line = {"color": BEST, "width": 1.5, "shape": "hv" if objectives[across] == "minimize" else "vh"}
        places = {"x": winners[across], "y": winners[metric]}
        fig.add_scatter(**places, mode="lines", line=line, hoverinfo="skip", showlegend=False, name="edge")
    marker = {"color": BEST, "size": 11, "symbol": _symbol(rungs[-1])}
    _points(fig, winners, metric, across, objectives, "front" if len(objectives) > 1 else "best", marker, measures)
    return fig


def drawn_first(objectives: Objectives) -> tuple[Metric, Metric]:
    """What is drawn across and up unless something else is asked for."""
    metric = next(iter(objectives))
    other: Metric = "parameters" if metric != "parameters" else "flops_per_token"
    return [*objectives, other][1], metric


def drawable(frame: pd.DataFrame, objectives: Objectives) -> list[Metric]:
    """The metrics that a front can be drawn over: objectives first, then what else every score comes with."""
    finished = frame[frame["status"] == "finished"]
    others = [name for name in METRICS if name in finished and name not in objectives]
    measured_too = [name for name in others if finished[name].notna().all()]
    return [*objectives, *measured_too]


def told_of_points(objectives: Objectives, across: Metric, metric: Metric) -> list[Metric]:
    """The metrics that a point's label tells, in order."""
    return list(dict.fromkeys((metric, across, *objectives)))


def front_title(across: str, metric: str) -> str:
    """`Validation loss against trained parameters`."""
    name = f"{metric_name(metric)} against {metric_name(across)}"
    return name[0].upper() + name[1:]


def front_axis(
    frame: pd.DataFrame, objectives: Objectives, metric: Metric, measures: Measures = measure
) -> dict[str, Any]:
    """The axis of a metric: logarithmic where it spans much, and without far outliers of what training changes."""
    finished = frame[frame["status"] == "finished"]
    values = finished[metric].dropna()
    low, high = values.min(), values.max()
    log = bool(low > 0 and high > 20 * low and not METRICS[metric].trained)
    if METRICS[metric].trained:
        # Where shorter trainings are drawn too, the median is one of theirs and far from the best already.
        reach = 4 if finished["rung"].nunique() == 1 else 1.5
        low, high = focus(values, objectives.get(metric, "minimize"), reach)
        winners = finished.loc[finished["front"], metric].dropna()
        if len(winners):
            low, high = min(low, winners.min()), max(high, winners.max())
    kind: dict[str, Any] = {"type": "log" if log else "linear", "range": padded(low, high, log)}
    if log:
        kind["tickvals"] = round_values(low, high)
    return metric_axis(metric, objectives.get(metric), measures) | kind


def _caption(
    finished: pd.DataFrame, top: pd.DataFrame, objectives: Objectives, axes: Mapping[Metric, Mapping[str, Any]]
) -> str:
    """Who is on the front, and how many are beyond these axes."""
    winners = int(top["front"].sum())
    peers = f"{counted(len(top), 'evaluation')} of {counted(top['steps'].iloc[0], 'step')}" if len(top) else "none"
    if len(objectives) == 1:
        kept = f"The best of {peers} stands out"
    else:
        kept = f"{winners} of {peers} {'is' if winners == 1 else 'are'} on the front: no other is better in one "
        kept += f"of the {len(objectives)} objectives without being worse in another"
    outside = pd.Series(False, index=finished.index)
    for metric in filter(lambda name: METRICS[name].trained, axes):
        low, high = axes[metric]["range"]
        outside |= (finished[metric] < low) | (finished[metric] > high)
    hidden = f"{outside.sum():,} of all {len(finished):,}, the worst, are outside the picture"
    return f"{kept} ({hidden})." if outside.any() else f"{kept}."


def _points(
    fig: go.Figure,
    data: pd.DataFrame,
    metric: Metric,
    across: Metric,
    objectives: Objectives,
    name: str,
    marker: dict[str, Any],
    measures: Measures,
) -> None:
    """Evaluations as points whose labels name genome, measurements and genes."""
    if data.empty:
        return
    told = told_of_points(objectives, across, metric)
    genes = gene_labels(data, int(max(60, min(600, HOVER_TEXT / len(data)))))
    values = [data[name].map(rounded) for name in told]
    lines = [
        "<b>%{customdata[0]}</b>, generation %{customdata[1]}",
        *(
            measurement_in_words(name, f"%{{customdata[{place}]:{metric_format(name)}}}", measures)
            for place, name in enumerate(told, start=3)
        ),
        "%{customdata[2]}",
    ]
    fig.add_scatter(
        x=data[across],
        y=data[metric],
        mode="markers",
        name=name,
        marker=marker,
        ids=identities(data),
        # As an array, which plotly does not look through cell by cell.
        customdata=np.array([data["genome"].map(text), data["generation"], genes, *values], dtype=object).T,
        hovertemplate="<br>".join(lines) + "<extra></extra>",
    )


def gene_labels(data: pd.DataFrame, length: int) -> list[str]:
    """The active genes of each row, broken into lines, cut to about `length` characters."""
    columns = [column for column in gene_columns(data) if column != f"{GENE}layers"]
    short = short_names(column.removeprefix(GENE) for column in columns)
    labels = [""] * len(data)
    for column, name in zip(columns, short.values(), strict=True):
        values = data[column].astype(object).tolist()
        for row in np.flatnonzero(data[column].notna()):
            label = labels[row]
            if len(label) > length:
                continue
            line = len(label) - label.rfind("<br>")
            pair = text(f"{name} {shown(values[row], 60)}")
            labels[row] = label + ("" if not label else ", " if line + len(pair) < 60 else ",<br>") + pair
    return [label if len(label) <= length else f"{label}, …" for label in labels]


def _symbol(rung: int) -> str:
    return SYMBOLS[int(rung) % len(SYMBOLS)]
