"""What each worker did, and when."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from hrfevo.report.style import BEST, MANY, OTHER, PURPLE, SKY, figure, identities, span_of_time, text
from hrfevo.report.words import plural

# The busiest workers of a run; more rows than these are not drawn.
MOST_WORKERS = 40
# From the lowest rung up; none is the grey of idleness.
COLORS = (SKY, MANY, OTHER, PURPLE)


def timeline(frame: pd.DataFrame) -> go.Figure | None:
    """Bars by worker, coloured by rung, over the time since the first submission. None before anything has ended."""
    done = frame[frame["began"].notna() & frame["minutes"].notna() & (frame["minutes"] > frame["began"])]
    if done.empty:
        return None
    spans = worker_spans(done)
    share = done["minutes"].sub(done["began"]).sum() / (spans["until"] - spans["began"]).sum()
    drawn = spans.nlargest(MOST_WORKERS, "busy").sort_values(["began", "worker"])
    rows = {worker: place for place, worker in enumerate(drawn["worker"])}
    unit, seconds = span_of_time(60 * float(done["minutes"].max()))
    scale = 60 / seconds
    fewer = "" if len(drawn) == len(spans) else f"; the {len(drawn)} busiest are drawn"
    fig = figure(
        "Who worked when",
        f"{plural(len(spans), 'worker')} evaluated {share:.0%} of the time, from the first evaluation of each to the "
        f"last that ran beside it; gaps are idle{fewer}.",
        xaxis={"title": {"text": f"time since the search began, {unit}"}, "rangemode": "tozero"},
        yaxis={
            "title": {"text": "worker"},
            "tickvals": list(rows.values()),
            "ticktext": [f"{place + 1}" for place in rows.values()],
            "range": [len(rows) - 0.5, -0.5],
            "showgrid": False,
        },
        barmode="overlay",
        barcornerradius=0,
        bargap=0.35,
        legend={"traceorder": "normal"},
        height=210 + max(26 if len(rows) > 8 else 40, 12) * len(rows),
    )
    fig.add_bar(
        base=drawn["began"] * scale,
        x=(drawn["until"] - drawn["began"]) * scale,
        y=drawn["worker"].map(rows),
        orientation="h",
        name="idle",
        marker={"color": "rgba(128,128,128,0.18)", "line": {"width": 0}},
        customdata=drawn["worker"].map(text),
        hovertemplate="%{customdata} idle<extra></extra>",
        showlegend=True,
    )
    shown = done[done["worker"].isin(rows.keys())]
    rungs = sorted(done["rung"].unique())
    finished = shown["status"] == "finished"
    for place, rung in enumerate(rungs):
        part = shown[finished & (shown["rung"] == rung)]
        steps = done.loc[done["rung"] == rung, "steps"].iloc[0]
        _bars(fig, part, rows, scale, f"{steps:,} steps", COLORS[place % len(COLORS)] if len(rungs) > 1 else MANY, unit)
    _bars(fig, shown[~finished], rows, scale, "no score", BEST, unit)
    return fig


def worker_spans(done: pd.DataFrame) -> pd.DataFrame:
    """Per worker `began`, `until` and `busy`, in minutes.

    A worker is there until the last evaluation that ran beside one of its own has ended: while a run is interrupted
    there are no workers, but who waits for others at the end is idle.
    """
    lasted = done.assign(busy=done["minutes"] - done["began"])
    spans = lasted.groupby("worker", sort=False).agg(
        began=("began", "min"), ended=("minutes", "max"), busy=("busy", "sum")
    )
    spans["until"] = [
        spans.loc[(spans["began"] < ended) & (spans["ended"] > began), "ended"].max()
        for began, ended in zip(spans["began"], spans["ended"], strict=True)
    ]
    return spans.reset_index()


def _bars(
    fig: go.Figure, part: pd.DataFrame, rows: dict[str, int], scale: float, name: str, color: str, unit: str
) -> None:
    if part.empty:
        return
    fig.add_bar(
        base=part["began"] * scale,
        x=(part["minutes"] - part["began"]) * scale,
        y=part["worker"].map(rows),
        orientation="h",
        name=name,
        # Neighbours without a gap stay apart where there is room for it.
        marker={"color": color, "line": {"width": 0.5 if len(part) < 200 else 0, "color": "rgba(255,255,255,0.5)"}},
        ids=identities(part),
        hovertemplate=f"{name}, until %{{x:.4g}} {unit}<extra></extra>",
        showlegend=True,
    )
