"""Which genes matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from hrfevo.results.importance import HALVES, Method, Ranges
from hrfevo.space.metrics import Measures, Metric, measure
from hrfevo.views.figures.style import BEST, MANY, OTHER, figure, text
from hrfevo.views.terminal.tables import short_names

# Genes below these in importance are left out.
MOST_GENES = 15
COLOURS = (MANY, BEST, OTHER)
SAID: Mapping[Method, str] = {
    "ped-anova": "How the best tenth of {count:,} genomes differ from all of them after {steps:,} steps, by PED-ANOVA",
    "fanova": "How much of the differences between {count:,} genomes after {steps:,} steps a gene explains, by fANOVA",
}


def importances(
    shares: Mapping[Metric, Mapping[str, float]],
    method: Method,
    count: int,
    steps: int,
    ranges: Ranges,
    measures: Measures = measure,
) -> go.Figure | None:
    """Shares of genes in each objective as bars, by a method from so many genomes, with the ranges over halves of them.

    None if there is nothing to tell.
    """
    told = {metric: found for metric, found in shares.items() if found}
    if not told:
        return None
    totals: dict[str, float] = {}
    for found in told.values():
        for gene, share in found.items():
            totals[gene] = totals.get(gene, 0.0) + share
    genes = sorted(totals, key=lambda gene: totals[gene])[-MOST_GENES:]
    names = short_names(genes)
    first, found = next(iter(told.items()))
    leader = max(found, key=lambda gene: found[gene])
    sure = f"; lines reach over {HALVES} random halves of them" if ranges else ""
    fig = figure(
        "Which genes matter",
        f"{SAID[method].format(count=count, steps=steps)}{sure}: {names.get(leader, leader)} has most to do with "
        f"{measures(first).heading}, {found[leader]:.0%}.",
        xaxis={"title": {"text": "share of importance"}, "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"tickmode": "array", "tickvals": np.arange(len(genes)), "ticktext": [text(names[g]) for g in genes]},
        barmode="group",
        height=200 + 34 * len(genes),
    )
    for index, (metric, found) in enumerate(told.items()):
        middle = np.array([found.get(gene, 0.0) for gene in genes])
        ends = np.array(
            [ranges.get(metric, {}).get(gene, (share, share)) for gene, share in zip(genes, middle, strict=True)]
        )
        fig.add_bar(
            x=middle,
            error_x={
                "type": "data",
                "symmetric": False,
                "array": np.maximum(0, ends[:, 1] - middle),
                "arrayminus": np.maximum(0, middle - ends[:, 0]),
                "visible": bool(ranges),
                "thickness": 1.5,
                "width": 3,
            },
            y=np.arange(len(genes)),
            orientation="h",
            name=measures(metric).heading,
            showlegend=True,
            marker={"color": COLOURS[index % len(COLOURS)]},
            hovertemplate="%{x:.1%}<extra></extra>",
        )
    return fig
