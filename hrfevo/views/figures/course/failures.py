"""Why evaluations have no score."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.views.figures.style import BEST, MANY, figure, shown, text, whole_ticks
from signal_model.support.errors import counted

# Rarer reasons than the most frequent of these are counted together.
MOST_REASONS = 12


def failures(frame: pd.DataFrame) -> go.Figure | None:
    """How many evaluations have no score, by reason; None if all have one."""
    lost = frame[frame["status"].isin(["failed", "infeasible"])]
    if lost.empty:
        return None
    reasons = lost["reason"].map(reason_class)
    counts = lost.groupby([reasons, "status"]).size().unstack(fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values(kind="stable").index]
    if (rare := len(counts) - MOST_REASONS + 1) > 1:
        others = counts.iloc[:rare].sum().to_frame(f"{rare} other reasons").T
        counts = pd.concat([others, counts.iloc[rare:]])
    ended = int((frame["status"] != "running").sum())
    places = np.arange(len(counts))
    most = shown(str(counts.index[-1]), 80)
    fig = figure(
        "What failed",
        f"{len(lost):,} of {counted(ended, 'evaluation')} have no score, most often for: {most}.",
        xaxis={"title": {"text": "evaluations"}, "rangemode": "tozero"} | whole_ticks(counts.sum(axis=1).max()),
        yaxis={"visible": False, "range": [-0.5, len(counts) - 0.2]},
        barmode="stack",
        legend={"traceorder": "normal"},
        height=190 + 48 * len(counts),
    )
    for status, colour in (("failed", BEST), ("infeasible", MANY)):
        if status in counts:
            fig.add_bar(
                x=counts[status],
                y=places,
                orientation="h",
                width=0.42,
                name=status,
                marker={"color": colour},
                showlegend=True,
                hovertemplate=f"%{{x}} {status}<extra></extra>",
            )
    # Above the bars, where long reasons have room on a phone too.
    for place, (reason, total) in enumerate(counts.sum(axis=1).items()):
        label = f"{text(shown(str(reason), 44))}: {total:,}"
        fig.add_annotation(
            x=0, xref="paper", y=place + 0.22, yanchor="bottom", xanchor="left", text=label, showarrow=False
        )
    return fig


def reason_class(reason: str) -> str:
    """A reason without what is particular to one evaluation: `parameters above 60,000`, `error: ValueError`."""
    if broken := re.match(r"(\w+) \S+ ((?:above|below) \S+)$", reason):
        return f"{broken[1]} {broken[2]}"
    head, _, rest = reason.partition(":")
    return f"error: {rest.partition(':')[0].strip()}" if head == "error" and rest else head.strip() or "no reason given"
