"""Figures of a search: frames in, Plotly figures out. Each carries a title and a caption in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from hrfevo.report.frames import GENE, best_of, finished_at, gene_columns
from hrfevo.report.style import (
    BEST,
    FAINT,
    MANY,
    OTHER,
    SHADES,
    colour_axis,
    figure,
    focus,
    in_words,
    measured,
    metric_axis,
    metric_format,
    padded,
    shaded_line,
    shades,
    shown,
    text,
    with_gaps,
)
from hrfevo.report.words import plural
from hrfevo.space import METRICS, Direction, Metric
from hrfevo.tables import short_names

Objectives = Mapping[Metric, Direction]

MOST_GROUPS = 100

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")

# All the text that the points of one figure may carry, in characters: pages stay small whatever the number of genes.
HOVER_TEXT = 600_000


def fitness_over_generations(frame: pd.DataFrame, objectives: Objectives, rung: int | None = None) -> go.Figure:
    """First objective over generations at one rung, by default the highest reached."""
    metric, direction = next(iter(objectives.items()))
    data = finished_at(frame, rung)
    score, generation = data[metric], data["generation"]
    place = data.groupby("generation")["birth"].rank(pct=True)
    x = generation + 0.7 * (place - 0.5)
    # More groups than these would hide one another; later ones are pooled.
    pooled = -(-(int(generation.max()) + 1) // MOST_GROUPS)
    grouped = score.groupby(generation // pooled * pooled + (pooled - 1) / 2)
    best_of_each, median = (grouped.min() if direction == "minimize" else grouped.max()), grouped.median()
    lower, upper = grouped.quantile(0.25), grouped.quantile(0.75)
    so_far = score.cummin() if direction == "minimize" else score.cummax()
    low, high = focus(score, direction)
    hidden = int(((score < low) | (score > high)).sum())
    steps = data["steps"].iloc[0]

    group = "a generation" if pooled == 1 else f"{pooled} generations"
    first_best, last_best, first_median, last_median = (
        measured(metric, series.iloc[end]) for series in (so_far, median) for end in (0, -1)
    )
    fig = figure(
        f"Fitness over generations, after {steps:,} training steps",
        f"The best so far goes from {first_best} to {last_best}, the median of {group} from {first_median} to "
        f"{last_median}; the band holds the middle half of {group}, each dot is one evaluation"
        + (f" ({plural(hidden, 'bad one')} outside the picture)." if hidden else "."),
        xaxis={"title": {"text": "generation"}, "range": padded(-0.5, generation.max() + 0.5, share=0.01)},
        yaxis=metric_axis(metric) | {"range": padded(low, high)},
    )
    if generation.max() < 10:
        fig.update_xaxes(dtick=1)
    form = metric_format(metric)
    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": "band"}
    fig.add_scatter(x=lower.index, y=lower, showlegend=False, name="lower quartile", **edge)
    red, green, blue = hex_to_rgb(MANY)
    band = f"rgba({red},{green},{blue},0.25)"
    fig.add_scatter(x=upper.index, y=upper, fill="tonexty", fillcolor=band, name="middle half", **edge)
    fig.add_scatter(
        x=x,
        y=score,
        mode="markers",
        name="evaluations",
        marker={"color": FAINT, "size": 6 if len(data) < 500 else 4, "opacity": 0.65},
        customdata=data["genome"].map(text),
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
    fig.add_scatter(
        x=x,
        y=so_far,
        mode="lines",
        name="best so far",
        line={"color": BEST, "width": 3, "shape": "hv"},
        hovertemplate=f"best so far: %{{y:{form}}}<extra></extra>",
    )
    return fig


def front(frame: pd.DataFrame, objectives: Objectives) -> go.Figure:
    """First objective against the second, or against parameters if there is one only; the front stands out."""
    metric, direction = next(iter(objectives.items()))
    other: Metric = "parameters" if metric != "parameters" else "flops_per_token"
    across = [*objectives, other][1]
    finished = frame[(frame["status"] == "finished") & frame[metric].notna() & frame[across].notna()]
    top = finished_at(finished)
    winners = top[top["front"]].sort_values(across)
    others = finished[~finished["front"]]
    rungs = sorted(finished["rung"].unique())
    # Where shorter trainings are drawn too, the median is one of theirs and far from the best already.
    low, high = focus(finished[metric], direction, reach=4 if len(rungs) == 1 else 1.5)
    hidden = int(((finished[metric] < low) | (finished[metric] > high)).sum())
    lowest, highest = finished[across].min(), finished[across].max()
    log = bool(lowest > 0 and highest > 20 * lowest)
    corner = ("Lower" if direction == "minimize" else "Higher") + (
        f", and further {'left' if objectives[across] == 'minimize' else 'right'}," if across in objectives else ""
    )
    peers = f"{plural(len(top), 'evaluation')} of {top['steps'].iloc[0]:,} steps"
    kept = (
        f"{len(winners)} of {peers} {'is' if len(winners) == 1 else 'are'} on the front: no other is better in one "
        f"objective without being worse in another"
        if len(objectives) > 1
        else f"The best of {peers} stands out"
    )
    notes = [f"{METRICS[third]} not drawn" for third in [*objectives][2:]]
    notes += [f"{plural(hidden, 'bad one')} outside the picture"] if hidden else []
    more = f" ({'; '.join(notes)})" if notes else ""
    fig = figure(
        f"{METRICS[metric].partition(',')[0]} against {METRICS[across].partition(',')[0]}".capitalize(),
        f"{corner} is better. {kept}{more}.",
        xaxis=metric_axis(across) | {"type": "log" if log else "linear", "range": padded(lowest, highest, log)},
        yaxis=metric_axis(metric) | {"range": padded(low, high)},
    )
    for rung in rungs:
        data = others[others["rung"] == rung]
        steps = finished.loc[finished["rung"] == rung, "steps"].iloc[0]
        _points(
            fig,
            data,
            metric,
            across,
            objectives,
            name=f"{steps:,} steps" if len(rungs) > 1 else "evaluations",
            marker={"color": FAINT, "size": 7 if len(data) < 500 else 5, "opacity": 0.45, "symbol": _symbol(rung)},
        )
    if len(objectives) == 2:
        # Everything behind this line is dominated.
        shape = "hv" if objectives[across] == "minimize" else "vh"
        line = {"color": BEST, "width": 1.5, "shape": shape}
        fig.add_scatter(
            x=winners[across],
            y=winners[metric],
            mode="lines",
            line=line,
            hoverinfo="skip",
            showlegend=False,
            name="edge",
        )
    marker = {"color": BEST, "size": 11, "symbol": _symbol(rungs[-1])}
    name = "front" if len(objectives) > 1 else "best"
    _points(fig, winners, metric, across, objectives, name=name, marker=marker)
    return fig


def learning_curves(curves: pd.DataFrame, frame: pd.DataFrame, objectives: Objectives, limit: int = 200) -> go.Figure:
    """Training loss over steps, a line per finished evaluation coloured by its score; at most about `limit` lines."""
    metric, direction = next(iter(objectives.items()))
    finished = frame[(frame["status"] == "finished") & frame["number"].isin(curves["number"].unique())]
    best = best_of(finished_at(finished), metric, direction)
    kept = finished[finished["front"] | (finished["number"] == best["number"])].head(limit)
    rest = finished.drop(kept.index)
    evenly = np.unique(np.linspace(0, len(rest) - 1, min(len(rest), limit - len(kept))).astype(int))
    drawn = pd.concat([kept, rest.iloc[evenly]])
    points = curves[curves["number"].isin(drawn["number"])].sort_values(["number", "step"])
    # The steep beginning, which all have in common, would leave no room for the rest.
    late = points[points["step"] >= 0.2 * points.groupby("number")["step"].transform("max")]["bits_per_byte"]
    axis = go.layout.Coloraxis(colour_axis(finished[metric], metric, direction))
    sample = "" if len(drawn) == len(finished) else f", the front and an even sample of {len(finished):,}"
    colours = (
        "."
        if len(drawn) == 1
        else ", coloured by the final score on validation: the more a line stands out, the better it ended; "
        "the best is drawn thick."
    )
    fig = figure(
        "Learning curves",
        f"Training loss of {plural(len(drawn), 'evaluation')}{sample}{colours}",
        xaxis={"title": {"text": "training step"}, "rangemode": "tozero"},
        yaxis={
            "title": {"text": "training loss, bits per byte"},
            "range": padded(late.min(), float(late.quantile(0.98))),
        },
        coloraxis=axis if len(drawn) > 1 else None,
        legend={"traceorder": "normal"},
    )
    genomes = drawn.set_index("number")["genome"].map(text)
    shade_of = shades(drawn[metric], direction, axis)
    for shade in range(SHADES - 1, -1, -1):
        numbers = drawn.loc[shade_of == shade, "number"]
        if len(numbers):
            x, y, names = _lines(points[points["number"].isin(numbers)], genomes)
            fig.add_scatter(
                x=x,
                y=y,
                **shaded_line(shade, 1.2),
                opacity=0.75,
                customdata=names,
                hovertemplate="%{customdata}<br>step %{x}: %{y:.4f}<extra></extra>",
                showlegend=False,
            )
    x, y, names = _lines(points[points["number"] == best["number"]], genomes)
    fig.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": BEST, "width": 3.5},
        name=f"best: {text(best['genome'])}",
        showlegend=True,
        hovertemplate="best<br>step %{x}: %{y:.4f}<extra></extra>",
    )
    if len(drawn) > 1:
        # Lines cannot have a colour bar of their own.
        marker = {"color": [0], "coloraxis": "coloraxis"}
        fig.add_scatter(x=[None], y=[None], mode="markers", marker=marker, showlegend=False)
    return fig


def _points(
    fig: go.Figure,
    data: pd.DataFrame,
    metric: Metric,
    across: Metric,
    objectives: Objectives,
    name: str,
    marker: dict[str, Any],
) -> None:
    """Evaluations as points whose labels name genome, measurements and genes."""
    if data.empty:
        return
    length = int(max(60, min(600, HOVER_TEXT / len(data))))
    others = [name for name in objectives if name not in (metric, across)]
    columns = [
        data["genome"].map(text),
        data["generation"],
        gene_labels(data, length),
        *(data[name] for name in others),
    ]
    places = {metric: "y", across: "x"} | {name: f"customdata[{index}]" for index, name in enumerate(others, start=3)}
    lines = [
        "<b>%{customdata[0]}</b>, generation %{customdata[1]}",
        *(in_words(name, f"%{{{place}:{metric_format(name)}}}") for name, place in places.items()),
        "%{customdata[2]}",
    ]
    fig.add_scatter(
        x=data[across],
        y=data[metric],
        mode="markers",
        name=name,
        marker=marker,
        # As an array, since Plotly looks at every item of a list.
        customdata=np.array(list(zip(*columns, strict=True)), dtype=object),
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


def _lines(points: pd.DataFrame, genomes: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Many lines as one, with gaps between."""
    gaps = np.flatnonzero(np.diff(points["number"].to_numpy())) + 1
    names = points["number"].map(genomes).to_numpy(dtype=object)
    return (
        with_gaps(points["step"].to_numpy(), gaps),
        with_gaps(points["bits_per_byte"].to_numpy(), gaps),
        with_gaps(names, gaps),
    )


def _symbol(rung: int) -> str:
    return SYMBOLS[int(rung) % len(SYMBOLS)]
