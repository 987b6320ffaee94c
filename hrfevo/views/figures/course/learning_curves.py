"""How the training loss fell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.frames import Objectives, best_of, finished_at
from hrfevo.space.metrics import LOSS_OF_TOKENS, Direction, Measures, measure
from hrfevo.views.figures.style import (
    BEST,
    SHADES,
    colour_axis,
    figure,
    padded,
    rung_color,
    shaded_line,
    shades,
    text,
    with_gaps,
)
from signal_model.support.errors import counted, listed

# Points that all lines of the figure have together.
MOST_POINTS = 8_000


def learning_curves(
    curves: pd.DataFrame,
    frame: pd.DataFrame,
    objectives: Objectives,
    limit: int = 200,
    loss: str = LOSS_OF_TOKENS,
    measures: Measures = measure,
) -> go.Figure:
    """The metric `loss`, in training, over steps, a line per genome through all its rungs; at most about `limit` lines.

    Colors say how far a genome was promoted, or how good it ended where there is one rung only.
    """
    metric, direction = next(iter(objectives.items()))
    finished = frame[frame["status"] == "finished"]
    ends = finished.sort_values("rung", kind="stable").drop_duplicates("genome", keep="last").set_index("genome")
    known = finished[finished["number"].isin(curves["number"].unique())]
    best = best_of(finished_at(known), objectives)["genome"]
    drawn = _sample(ends[ends.index.isin(known["genome"])], best, limit)
    points = _thinned(_joined(curves, known[known["genome"].isin(drawn.index)]), len(drawn))
    # The steep beginning, which all have in common, would leave no room for the rest.
    late = points[points["step"] >= 0.2 * points.groupby("genome")["step"].transform("max")]["bits_per_byte"]
    rungs = sorted(ends["rung"].unique())
    sample = "" if len(drawn) == len(ends) else f", the front and an even sample of {len(ends):,}"
    fig = figure(
        "Learning curves",
        f"Training loss of {counted(len(drawn), 'genome')}{sample}{_meaning(ends, rungs, len(drawn))}",
        xaxis={"title": {"text": "training step"}, "rangemode": "tozero"},
        yaxis={
            "title": {"text": f"training loss, {measures(loss).unit}"},
            "range": padded(late.min(), float(late.quantile(0.98))),
        },
        legend={"traceorder": "reversed"},
    )
    if len(rungs) > 1:
        _draw_by_rung(fig, points, drawn, rungs)
    else:
        _draw_by_score(fig, points, drawn[metric], direction, colour_axis(drawn[metric], metric, direction, measures))
    _draw(fig, points[points["genome"] == best], line={"color": BEST, "width": 3.5}, name=f"best: {text(best)}")
    return fig


def _sample(ends: pd.DataFrame, best: str, limit: int) -> pd.DataFrame:
    """The best, the front, and an even sample of the rest, as many of each rung."""
    kept = pd.concat([ends.loc[[best]], ends[ends["front"] & (ends.index != best)]]).head(limit)
    parts = [kept]
    rungs = sorted(ends["rung"].unique(), reverse=True)
    for place, rung in enumerate(rungs):
        peers = ends[(ends["rung"] == rung) & ~ends.index.isin(kept.index)]
        # Those kept are of the highest rung, and count for it.
        left = limit - sum(map(len, parts)) if place else limit
        room = max(0, left // (len(rungs) - place) - (0 if place else len(kept)))
        parts.append(peers.iloc[np.unique(np.linspace(0, len(peers) - 1, min(len(peers), room)).astype(int))])
    return pd.concat(parts)


def _joined(curves: pd.DataFrame, finished: pd.DataFrame) -> pd.DataFrame:
    """The points of each genome through its rungs, in order of steps; where a step was trained twice, the later."""
    points = curves.merge(finished[["number", "genome", "rung"]], on="number")
    points = points.sort_values(["genome", "step", "rung"], kind="stable")
    return points.drop_duplicates(["genome", "step"], keep="last")


def _thinned(points: pd.DataFrame, lines: int) -> pd.DataFrame:
    """Every n-th point of each line, and its last, so that all together are not too many."""
    stride = -(-len(points) // MOST_POINTS)
    order = points.groupby("genome").cumcount(ascending=False)
    return points[order % stride == 0] if stride > 1 else points


def _meaning(ends: pd.DataFrame, rungs: list[int], lines: int) -> str:
    if len(rungs) > 1:
        stopped = [f"{(ends['rung'] == rung).sum():,} after {_steps(ends, rung)}" for rung in rungs[:-1]]
        ended = (ends["rung"] == rungs[-1]).sum()
        return f"; of all, {listed(stopped)} steps were not promoted (crosses), {ended:,} were trained to the end."
    if lines == 1:
        return "."
    return (
        ", coloured by the final score on validation: the more a line stands out, the better it ended; the best is "
        "drawn thick."
    )


def _steps(ends: pd.DataFrame, rung: int) -> str:
    return f"{ends.loc[ends['rung'] == rung, 'steps'].iloc[0]:,}"


def _draw_by_rung(fig: go.Figure, points: pd.DataFrame, drawn: pd.DataFrame, rungs: list[int]) -> None:
    # The many that were stopped early lie over the long lines, which would hide them.
    for place, rung in reversed(list(enumerate(rungs))):
        genomes = drawn.index[drawn["rung"] == rung]
        if not len(genomes):
            continue
        steps = _steps(drawn, rung)
        what = "trained to the end" if rung == rungs[-1] else "promoted, then stopped" if place else "stopped"
        line = {"color": rung_color(place, len(rungs)), "width": 1.2 + 0.4 * place}
        part = points[points["genome"].isin(genomes)]
        _draw(fig, part, line=line, opacity=0.6 if place == 0 else 0.85, name=f"{what} at {steps} steps")
        lasts = part.drop_duplicates("genome", keep="last")
        if rung != rungs[-1]:
            # Ends that are decisions, not budgets.
            fig.add_scatter(
                x=lasts["step"],
                y=lasts["bits_per_byte"],
                mode="markers",
                marker={"color": line["color"], "size": 6, "symbol": "x-thin", "line": {"width": 1.5}},
                marker_line_color=line["color"],
                hoverinfo="skip",
                showlegend=False,
                name="stops",
            )
        fig.add_vline(
            x=float(drawn.loc[genomes, "steps"].iloc[0]), line={"dash": "dot", "width": 1, "color": "#808080"}
        )


def _draw_by_score(
    fig: go.Figure, points: pd.DataFrame, scores: pd.Series, direction: Direction, colours: dict[str, Any]
) -> None:
    if len(scores) < 2:
        return
    axis = go.layout.Coloraxis(colours)
    fig.update_layout(coloraxis=axis)
    shade_of = pd.Series(shades(scores, direction, axis), index=scores.index)
    for shade in range(SHADES - 1, -1, -1):
        part = points[points["genome"].map(shade_of) == shade]
        if len(part):
            _draw(fig, part, **shaded_line(shade, 1.2), opacity=0.75, showlegend=False)
    # Lines cannot have a colour bar of their own.
    marker = {"color": [0], "coloraxis": "coloraxis"}
    fig.add_scatter(x=[None], y=[None], mode="markers", marker=marker, showlegend=False, name="scale")


def _draw(fig: go.Figure, points: pd.DataFrame, **style: Any) -> None:
    """Many lines as one trace, with gaps between."""
    gaps = np.flatnonzero(points["genome"].to_numpy()[1:] != points["genome"].to_numpy()[:-1]) + 1
    fig.add_scatter(
        x=with_gaps(points["step"].to_numpy(), gaps),
        y=with_gaps(points["bits_per_byte"].to_numpy(), gaps),
        customdata=with_gaps(points["genome"].map(text).to_numpy(dtype=object), gaps),
        hovertemplate="%{customdata}<br>step %{x}: %{y:.4f}<extra></extra>",
        **({"mode": "lines", "showlegend": True} | style),
    )
