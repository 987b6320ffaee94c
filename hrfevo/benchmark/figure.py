"""Curves of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hrfevo.benchmark.summary import MOMENTS, Measure, Summary
from hrfevo.views.figures.style import figure, text
from hrfevo.views.report.card_page import section_of
from signal_model.analysis.page import render
from signal_model.support.errors import counted

# Okabe & Ito, and dashes where colours end.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#808080")
DASHES = ("solid", "dash", "dot")
TITLES: dict[Measure, str] = {
    "hypervolume": "share of the table's hypervolume",
    "regret": "distance to the table's best",
}


def curves(summaries: Sequence[Summary], measure: Measure, trainings: float) -> go.Figure:
    """Median over seeds against the training spent, a panel for each number of workers; bands hold the middle half."""
    workers = list(dict.fromkeys(summary.workers for summary in summaries))
    names = list(dict.fromkeys(summary.algorithm for summary in summaries))
    panels = make_subplots(1, len(workers), shared_yaxes=True, subplot_titles=[counted(w, "worker") for w in workers])
    x = np.linspace(0, trainings, MOMENTS + 1)[1:]
    for summary in summaries:
        index = names.index(summary.algorithm)
        colour, column = COLOURS[index % len(COLOURS)], workers.index(summary.workers) + 1
        with np.errstate(all="ignore"):
            low, middle, high = np.nanpercentile(summary.curves, [25, 50, 75], axis=0)
        panels.add_trace(
            go.Scatter(
                x=np.concatenate([x, x[::-1]]),
                y=np.concatenate([high, low[::-1]]),
                fill="toself",
                fillcolor=colour,
                opacity=0.12,
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=summary.algorithm,
            ),
            1,
            column,
        )
        line = {"color": colour, "dash": DASHES[index // len(COLOURS) % len(DASHES)]}
        panels.add_trace(
            go.Scatter(
                x=x, y=middle, name=text(summary.algorithm), line=line, legendgroup=summary.algorithm,
                showlegend=column == 1, mode="lines",
            ),
            1,
            column,
        )  # fmt: skip
    panels.update_xaxes(title_text="training spent, full trainings")
    panels.update_yaxes(title_text=TITLES[measure], col=1)
    if measure == "regret":
        panels.update_yaxes(type="log")
    seeds = len(summaries[0].final)
    whole = figure("What a search attains", f"Median over {counted(seeds, 'seed')}; bands hold the middle half.")
    panels.update_layout(template=whole.layout.template, title=whole.layout.title, height=480)
    return panels


def page(summaries: Sequence[Summary], measure: Measure, trainings: float, benchmark: str) -> str:
    """The curves as one HTML file that opens offline."""
    section = section_of(curves(summaries, measure, trainings))
    compared = counted(len({summary.algorithm for summary in summaries}), "algorithm")
    footer = f"Made with hrfevo {metadata.version('hrfevo')}."
    lead = f"{compared} compared by the {TITLES[measure]} after equal training."
    return render(f"Benchmark {benchmark}", "simulated searches", lead, [section], footer)
