"""What each worker did, and when."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from hrfevo.views.figures.sampling import MOST_DRAWN
from hrfevo.views.figures.style import BEST, MANY, OTHER, PURPLE, SKY, figure, identities, span_of_time, text
from signal_model.support.errors import counted

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
    chosen = spans.nlargest(MOST_WORKERS, "busy").sort_values(["began", "worker"])
    rows = {worker: place for place, worker in enumerate(chosen["worker"])}
    shown = done[done["worker"].isin(rows.keys())]
    many = len(shown) > MOST_DRAWN
    unit, seconds = span_of_time(60 * float(done["minutes"].max()))
    scale = 60 / seconds
    fewer = "" if len(chosen) == len(spans) else f"; the {len(chosen)} busiest are drawn"
    # Bars narrower than this would be many, and too narrow to be seen.
    width = float(done["minutes"].max()) * len(rows) / MOST_DRAWN if many else 0.0
    fewer += f"; what began within {60 * width:.2g} s of one another is one bar" if many else ""
    fig = figure(
        "Who worked when",
        f"{counted(len(spans), 'worker')} evaluated {share:.0%} of the time, from the first evaluation of each to the "
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
        base=chosen["began"] * scale,
        x=(chosen["until"] - chosen["began"]) * scale,
        y=chosen["worker"].map(rows),
        orientation="h",
        name="idle",
        marker={"color": "rgba(128,128,128,0.18)", "line": {"width": 0}},
        customdata=chosen["worker"].map(text),
        hovertemplate="%{customdata} idle<extra></extra>",
        showlegend=True,
    )
    rungs = sorted(done["rung"].unique())
    finished = shown["status"] == "finished"
    for place, rung in enumerate(rungs):
        part = _merged(shown[finished & (shown["rung"] == rung)], width)
        steps = done.loc[done["rung"] == rung, "steps"].iloc[0]
        _bars(
            fig,
            part,
            rows,
            scale,
            counted(steps, "step"),
            COLORS[place % len(COLORS)] if len(rungs) > 1 else MANY,
            unit,
        )
    _bars(fig, _merged(shown[~finished], width), rows, scale, "no score", BEST, unit)
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


def _merged(part: pd.DataFrame, width: float) -> pd.DataFrame:
    """Evaluations of one worker that begin within the same `width` minutes as one, which no longer has a number."""
    if not width:
        return part
    places = [part["worker"], (part["began"] // width).rename("place")]
    return part.groupby(places, sort=False).agg(began=("began", "min"), minutes=("minutes", "max")).reset_index()


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
        ids=identities(part) if "number" in part else None,
        hovertemplate=f"{name}, until %{{x:.4g}} {unit}<extra></extra>",
        showlegend=True,
    )
