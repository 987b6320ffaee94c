"""Genomes as lines over an axis per gene."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.gene_frames import GENE, gene_columns, gene_of
from hrfevo.space.genes import BaseGene, IntervalGene, LayersGene, ListedGene
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures.genes.values import gene_range
from hrfevo.views.figures.style import colour_axis, figure, round_values, shown, text
from hrfevo.views.terminal.tables import short_names
from signal_model.support.errors import counted

# More axes or lines cannot be told apart.
MOST_AXES, MOST_LINES = 16, 1000
# Width of an axis with its names, in pixels; how far below an axis those that have no such gene pass.
AXIS, BELOW = 112, 0.12
INACTIVE = "no such gene"


def parallel_coordinates(frame: pd.DataFrame, space: SearchSpace) -> go.Figure | None:
    """Parallel coordinates over the genes, coloured by the first objective of the shortest training, which every
    genome has had. None where fewer than two genomes have a score.

    Genes of layers have an axis for each layer; those that others depend on come first.
    """
    metric, direction = space.first_objective
    scored = frame[(frame["status"] == "finished") & (frame["rung"] == frame["rung"].min())]
    scored = scored.sort_values("number").drop_duplicates("genome")
    if len(scored) < 2:
        return None
    # The best last, and so on top.
    scored = scored.sort_values(metric, ascending=direction != "minimize", kind="stable")
    lines = scored.iloc[np.unique(np.linspace(0, len(scored) - 1, MOST_LINES).astype(int))]
    columns = _most_telling(space, gene_columns(lines))
    drawn = columns[:MOST_AXES]
    dimensions = [
        axis for column, name in zip(drawn, _names(drawn), strict=True) for axis in _axes(space, lines, column, name)
    ]
    fewer = "" if len(drawn) == len(columns) else f" {len(drawn)} of {len(columns)} genes are drawn."
    sample = (
        "" if len(lines) == len(scored) else f" {len(lines):,} of {counted(len(scored), 'genome')}, evenly by score."
    )
    fig = figure(
        "Genes together",
        f"Each line is a genome, coloured by its score after {counted(space.rungs[0], 'step')}; below an axis, at "
        f"“{INACTIVE}”, pass those that do not have the gene. Drag along an axis to choose lines.{fewer}{sample}",
        coloraxis=colour_axis(scored[metric], metric, direction, space.measure),
        height=430,
        width=max(720, AXIS * len(dimensions)),
    )
    line = {"color": lines[metric].to_numpy(dtype=np.float32), "coloraxis": "coloraxis"}
    fig.add_parcoords(dimensions=dimensions, line=line, labelangle=-14, labelfont={"size": 12}, tickfont={"size": 10})
    fig.update_layout(margin={"l": 60, "r": 60, "t": 160, "b": 20})
    return fig


def _most_telling(space: SearchSpace, columns: list[str]) -> list[str]:
    """Columns in their order, but of layers first those whose genes decide which others are active."""
    layers = space.genes.get("layers")
    if not isinstance(layers, LayersGene) or len(columns) <= MOST_AXES:
        return columns
    deciding = {name for gene in layers.genes.values() for name in gene.conditions}
    outer = [column for column in columns if not column.startswith(f"{GENE}layers[")]
    inner = [column for column in columns if column.startswith(f"{GENE}layers[")]
    return outer + sorted(inner, key=lambda column: column.partition("].")[2] not in deciding)


def _names(columns: list[str]) -> list[str]:
    """Short names that differ: `bases`, `mixer 2` for that of the second layer."""
    plain = [column.removeprefix(GENE) for column in columns]
    outer = {name: name for name in plain if not name.startswith("layers[")}
    inner = {name: name.partition("].")[2] for name in plain if name.startswith("layers[")}
    short = short_names(dict.fromkeys([*outer.values(), *inner.values()]))
    told = []
    for name in plain:
        if name in inner:
            number = int(name.removeprefix("layers[").partition("]")[0]) + 1
            told.append(f"{short[inner[name]]} {number}")
        else:
            told.append(short[name])
    return told


def _axes(space: SearchSpace, lines: pd.DataFrame, column: str, name: str) -> list[dict[str, Any]]:
    """The axes of a gene: one, or two for an interval."""
    gene, values = gene_of(space, column), lines[column].astype(object)
    if not isinstance(gene, IntervalGene):
        return [_axis(gene, values, name)]
    ends = [values.map(lambda pair, end=end: pair[end], na_action="ignore") for end in (0, 1)]
    return [_axis(gene, part, f"{name} {end}") for part, end in zip(ends, ("low", "high"), strict=True)]


def _axis(gene: BaseGene, values: pd.Series, name: str) -> dict[str, Any]:
    if isinstance(gene, ListedGene):
        # As JSON, because 1, 1.0, true and "true" are different settings.
        places: Mapping[str, int] = {json.dumps(value): place for place, value in enumerate(gene.values)}
        heights = values.map(lambda value: float(places[json.dumps(_plain(value))]), na_action="ignore")
        low, high = 0.0, float(max(1, len(places) - 1))
        ticks = {float(place): shown(value, 14) for place, value in enumerate(gene.values)}
    else:
        least, greatest, log = gene_range(gene)
        low, high = (math.log10(least), math.log10(greatest)) if log else (float(least), float(greatest))
        heights = values.map(lambda value: math.log10(value) if log else float(value), na_action="ignore")
        around = _with_ends(gene) if log else _even(low, high, isinstance(gene, LayersGene))
        ticks = {math.log10(value) if log else value: f"{value:.4g}" for value in around}
    below = low - BELOW * (high - low)
    missing = bool(heights.isna().any())
    if missing:
        ticks = {below: INACTIVE} | ticks
    return {
        "label": text(shown(name, 18)),
        "values": heights.fillna(below).to_numpy(dtype=np.float32),
        "range": [below if missing else low, high],
        "tickvals": list(ticks),
        "ticktext": [text(tick) for tick in ticks.values()],
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _with_ends(gene: BaseGene) -> list[float]:
    """The ends of a logarithmic range, and round values that are not too near them."""
    low, high, _ = gene_range(gene)
    near = 0.09 * math.log10(high / low)
    around = [v for v in round_values(low, high) if math.log10(v / low) > near and math.log10(high / v) > near]
    return [low, *around, high]


def _even(low: float, high: float, whole: bool) -> list[float]:
    values = np.linspace(low, high, 5)
    return [float(value) for value in (np.unique(values.round()) if whole else values)]
