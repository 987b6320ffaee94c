"""Which genes matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from hrfevo.importance import Method
from hrfevo.report.style import BEST, MANY, OTHER, figure, text
from hrfevo.space import METRICS, Metric
from hrfevo.tables import short_names

# Genes below these in importance are left out.
MOST_GENES = 15
COLOURS = (MANY, BEST, OTHER)
SAID: Mapping[Method, str] = {
    "ped-anova": "How the best tenth of {count:,} genomes differ from all of them, by PED-ANOVA:",
    "fanova": "How much of the differences between {count:,} genomes a gene explains, by fANOVA:",
}


def importances(shares: Mapping[Metric, Mapping[str, float]], method: Method, count: int) -> go.Figure | None:
    """Shares of genes in each objective as bars, by a method from so many genomes; None if there is nothing to tell."""
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
        f"{SAID[method].format(count=count)} {names.get(leader, leader)} has most to do with {METRICS[first]}: "
        f"{found[leader]:.0%}.",
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
