"""Where the values of each gene lie, generation by generation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.space.genes import BaseGene, IntervalGene, ListedGene, OrderedGene
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures.course.fitness import group_middle, pooling
from hrfevo.views.figures.genes.values import Panel, columns_of, gene_axis, panels
from hrfevo.views.figures.panels import small_multiples
from hrfevo.views.figures.style import CATEGORIES, MANY, figure, scale, shown, text, translucent

# With more categories than these, the rarest are counted together.
MOST_CATEGORIES = len(CATEGORIES)
# Panels are small, and groups of few genomes jump about.
MOST_GROUPS = 40
# Names of categories stand to the right of the bars; they take this share of a panel.
NAMES_SHARE = 0.42


def gene_distributions(
    frame: pd.DataFrame, space: SearchSpace, only: Sequence[str] | None = None, columns: int = 3
) -> go.Figure:
    """Small multiples: each gene's values by generation of birth; `only` some panels.

    Numbers as median and middle half, intervals from median low to median high, choices as stacked shares of the
    genomes, or for genes of layers of the layers, that have the gene.
    """
    drawn = [panel for panel in panels(frame, space) if only is None or panel.name in only]
    needed = ["genome", "birth", "generation", *columns_of(drawn)]
    genomes = frame[needed].drop_duplicates("genome").sort_values("birth", kind="stable")
    pooled = pooling(genomes["generation"], MOST_GROUPS)
    group = "generation" if pooled == 1 else f"{pooled} generations"
    fig = figure(
        "Genes over generations",
        f"What genomes born in each {group} have, of those that have the gene: numbers as median and middle half, "
        "intervals from the median of their low end to that of their high end, choices as shares; genes of layers over "
        "all layers.",
        barmode="stack",
        bargap=0,
        barcornerradius=0,
        showlegend=False,
    )
    last = float(genomes["generation"].max())
    grid = small_multiples(fig, [panel.name for panel in drawn], columns)
    for index, panel in enumerate(drawn):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        ticks = np.unique(np.linspace(0, last, 5).round().astype(int))
        axis = {"title_text": "generation", "tickvals": ticks, "ticktext": [f"{tick:,}" for tick in ticks]}
        values = _values(panel, genomes)
        groups = group_middle(values["generation"], pooled)
        if isinstance(panel.gene, ListedGene):
            # Room for names within the axes, so that it moves and shrinks with them.
            grid.update_xaxes(range=[-0.5, -0.5 + (last + 1) / (1 - NAMES_SHARE)], showgrid=False, **axis, **place)
            grid.update_yaxes(tickformat=".0%", range=[0, 1.01], title_text="share", tickvals=[0, 0.5, 1], **place)
            _draw_shares(grid, panel.gene, values["value"], groups, pooled, last, place)
        else:
            grid.update_xaxes(range=[-0.5, last + 0.5], **axis, **place)
            grid.update_yaxes(**gene_axis(panel.gene, names=False), **place)
            _draw_middle(grid, panel.gene, values["value"], groups, place)
    return grid


def _values(panel: Panel, genomes: pd.DataFrame) -> pd.DataFrame:
    """A row per value of the gene: `generation` and `value`."""
    parts = [genomes[["generation"]].assign(value=genomes[name].astype(object)) for name in panel.columns]
    values = pd.concat(parts)
    return values[values["value"].notna()]


def _draw_middle(fig: go.Figure, gene: BaseGene, values: pd.Series, groups: pd.Series, place: dict[str, int]) -> None:
    """A band with a line in it: quartiles and median, or between an interval's median ends."""
    if isinstance(gene, IntervalGene):
        ends = pd.DataFrame(values.tolist(), index=values.index, columns=["low", "high"]).astype(float)
        medians = ends.groupby(groups.to_numpy()).median()
        low, high, lines = medians["low"], medians["high"], {"median low": "low", "median high": "high"}
    else:
        by_group = values.astype(float).groupby(groups.to_numpy())
        medians = pd.DataFrame({"median": by_group.median()})
        low, high, lines = by_group.quantile(0.25), by_group.quantile(0.75), {"median": "median"}
    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    fig.add_scatter(x=low.index, y=low, name="lower edge", **edge, **place)
    fig.add_scatter(x=high.index, y=high, fill="tonexty", fillcolor=translucent(MANY), name="band", **edge, **place)
    for name, column in lines.items():
        fig.add_scatter(
            x=medians.index,
            y=medians[column],
            mode="lines+markers" if len(medians) < 30 else "lines",
            line={"color": MANY, "width": 2},
            marker={"size": 5},
            name=name,
            hovertemplate=f"generation %{{x}}: {name} %{{y:.4g}}<extra></extra>",
            **place,
        )


def _draw_shares(
    fig: go.Figure,
    gene: ListedGene,
    values: pd.Series,
    groups: pd.Series,
    pooled: int,
    last: float,
    place: dict[str, int],
) -> None:
    """Stacked bars, each with its name to the right of the last."""
    # As JSON, because 1, 1.0, true and "true" are different settings.
    known: dict[tuple[type, Any], str] = {}  # a few, each in very many rows
    keys = np.array([known.get((type(v), v)) or known.setdefault((type(v), v), json.dumps(v)) for v in values], object)
    shares = pd.crosstab(groups.to_numpy(), keys, normalize="index")
    names = {json.dumps(value): shown(value) for value in gene.values}
    shares = shares.reindex(columns=[key for key in names if key in shares])
    if len(shares.columns) > MOST_CATEGORIES:
        frequent = shares.mean().sort_values(ascending=False).index[: MOST_CATEGORIES - 1]
        rare = shares.columns.difference(frequent)
        others = shares[rare].sum(axis=1)
        shares = shares.drop(columns=rare)
        shares["other"] = others
        names["other"] = f"{len(rare)} others"
    count = len(shares.columns)
    ordered = isinstance(gene, OrderedGene)
    colors = [*reversed(scale("light", count))] if ordered and count > 1 else list(CATEGORIES)
    heights = _spread(shares.iloc[-1].cumsum().to_numpy() - shares.iloc[-1].to_numpy() / 2, 0.115)
    for index, key in enumerate(shares.columns):
        name = text(names[key])
        fig.add_bar(
            x=shares.index,
            y=shares[key],
            width=pooled,
            marker={"color": colors[index], "line": {"width": 0}},
            name=name,
            hovertemplate=f"generation %{{x}}: {name} %{{y:.0%}}<extra></extra>",
            **place,
        )
        fig.add_scatter(
            x=[last + 0.5 + 0.05 * (last + 1)],
            y=[heights[index]],
            mode="markers+text",
            marker={"color": colors[index], "size": 9, "symbol": "square"},
            text=[text(shown(names[key], 15))],
            textposition="middle right",
            textfont={"size": 11},
            hovertemplate=f"{name}<extra></extra>",
            name=f"name of {name}",
            **place,
        )


def _spread(heights: np.ndarray, least: float) -> np.ndarray:
    """Heights within 0 and 1, in the same order, at least so far apart as there is room for."""
    count = len(heights)
    least = min(least, 1 / max(count, 1))
    floors = least * (np.arange(count) + 0.5)
    result: np.ndarray = np.maximum(np.minimum(heights, 1 - floors[::-1]), floors)
    for index in range(1, count):
        result[index] = max(result[index], result[index - 1] + least)
    for index in range(count - 2, -1, -1):
        result[index] = min(result[index], result[index + 1] - least)
    return result
