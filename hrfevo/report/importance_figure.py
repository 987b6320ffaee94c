"""Which genes matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from hrfevo.report.style import BEST, MANY, OTHER, figure, text
from hrfevo.space import METRICS, Metric
from hrfevo.tables import short_names

# Genes below these in importance are left out.
MOST_GENES = 15
COLOURS = (MANY, BEST, OTHER)


def importances(shares: Mapping[Metric, Mapping[str, float]]) -> go.Figure | None:
    """Shares of genes in each objective as bars, most important first; None if there is nothing to tell."""
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
    fig = figure(
        "Which genes matter",
        f"What sets the best tenth apart from all: {names.get(leader, leader)} decides most of {METRICS[first]} "
        f"({found[leader]:.0%} by PED-ANOVA).",
        xaxis={"title": {"text": "share of importance"}, "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"tickmode": "array", "tickvals": np.arange(len(genes)), "ticktext": [text(names[g]) for g in genes]},
        barmode="group",
        height=200 + 34 * len(genes),
    )
    for index, (metric, found) in enumerate(told.items()):
        fig.add_bar(
            x=[found.get(gene, 0.0) for gene in genes],
            y=np.arange(len(genes)),
            orientation="h",
            name=METRICS[metric],
            showlegend=True,
            marker={"color": COLOURS[index % len(COLOURS)]},
            hovertemplate="%{x:.1%}<extra></extra>",
        )
    return fig
