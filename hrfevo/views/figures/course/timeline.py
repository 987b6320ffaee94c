"""What each worker did, and when."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.views.figures.sampling import MOST_DRAWN
from hrfevo.views.figures.style import BEST, MANY, OTHER, PURPLE, SKY, figure, identities, span_of_time, text
from signal_model.support.errors import counted

# The rows with most work; more than these are not drawn.
MOST_ROWS = 40
# From the lowest rung up; none is the grey of idleness.
COLORS = (SKY, MANY, OTHER, PURPLE)


def timeline(frame: pd.DataFrame) -> go.Figure | None:
    """Bars by worker, coloured by rung, over the time since the first submission. None before anything has ended.

    A row is the work of one worker at a time: who comes after another's last evaluation, as when a run goes on or a
    worker has died, takes its row.
    """
    done = frame[frame["began"].notna() & frame["minutes"].notna() & (frame["minutes"] > frame["began"])]
    if done.empty:
        return None
    spans = worker_spans(done)
    share = done["minutes"].sub(done["began"]).sum() / (spans["until"] - spans["began"]).sum()
    busiest = spans.groupby("row")["busy"].sum().nlargest(MOST_ROWS).index.sort_values()
    chosen = spans[spans["row"].isin(busiest)]
    rows = dict(zip(chosen["worker"], np.searchsorted(busiest, chosen["row"]).tolist(), strict=True))
    shown = done[done["worker"].isin(rows.keys())]
    many = len(shown) > MOST_DRAWN
    unit, seconds = span_of_time(60 * float(done["minutes"].max()))
    scale = 60 / seconds
    count = 1 + int(spans["row"].max())
    fewer = "" if len(busiest) == count else f"; the {len(busiest)} busiest rows are drawn"
    # Bars narrower than this would be many, and too narrow to be seen.
    width = float(done["minutes"].max()) * len(busiest) / MOST_DRAWN if many else 0.0
    fewer += f"; what began within {60 * width:.2g} s of one another is one bar" if many else ""
    later = f" at a time, {len(spans)} in all," if len(spans) > count else ""
    fig = figure(
        "Who worked when",
        f"{counted(count, 'worker')}{later} evaluated {share:.0%} of the time, from the first evaluation of each to "
        f"the last that ran beside it; gaps are idle{fewer}.",
        xaxis={"title": {"text": f"time since the search began, {unit}"}, "rangemode": "tozero"},
        yaxis={
            "title": {"text": "worker"},
            "tickvals": list(range(len(busiest))),
            "ticktext": [f"{row + 1}" for row in busiest],
            "range": [len(busiest) - 0.5, -0.5],
            "showgrid": False,
        },
        barmode="overlay",
        barcornerradius=0,
        bargap=0.35,
        legend={"traceorder": "normal"},
        height=210 + (26 if len(busiest) > 8 else 40) * len(busiest),
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
    """Per worker `began`, `until` and `busy`, in minutes, and its `row`, from 0; the first to come first.

    A worker is there until the last evaluation that ran beside one of its own has ended: while a run is interrupted
    there are no workers, but who waits for others at the end is idle. Nor is one there once another has its row.
    """
    lasted = done.assign(busy=done["minutes"] - done["began"])
    spans = lasted.groupby("worker").agg(began=("began", "min"), ended=("minutes", "max"), busy=("busy", "sum"))
    spans = spans.reset_index().sort_values(["began", "worker"], ignore_index=True)
    spans["row"] = _rows(spans["began"], spans["ended"])
    until = [
        spans.loc[(spans["began"] < ended) & (spans["ended"] > began), "ended"].max()
        for began, ended in zip(spans["began"], spans["ended"], strict=True)
    ]
    successor = spans.groupby("row")["began"].shift(-1)
    return spans.assign(until=successor.where(successor < until, until))


def _rows(began: Iterable[float], ended: Iterable[float]) -> list[int]:
    """For each span, in the order of their beginnings, the first row that is free by then."""
    free: list[float] = []
    rows = []
    for start, end in zip(began, ended, strict=True):
        row = next((row for row, since in enumerate(free) if since <= start), len(free))
        free[row : row + 1] = [end]
        rows.append(row)
    return rows


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
