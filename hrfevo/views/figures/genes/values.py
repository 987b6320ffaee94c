"""How the values of the genes change while a search goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.gene_frames import GENE, gene_columns
from hrfevo.space.genes import BaseGene, IntervalGene, LayersGene
from hrfevo.space.metrics import Direction
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures.panels import small_multiples
from hrfevo.views.figures.style import (
    BEST,
    FAINT,
    SHADES,
    colour_axis,
    figure,
    metric_format,
    padded,
    round_values,
    shaded_line,
    shades,
    shown,
    text,
    whole_ticks,
    with_gaps,
)
from signal_model.support.errors import counted

# More points than these hide one another and make pages slow.
MOST_DOTS, MOST_BANDS = 400, 200

# Whole numbers in a range up to this long are drawn as categories.
FEW = 12


@dataclass(frozen=True)
class Panel:
    """One gene, and the columns of the frame that hold its values: several for a gene of layers."""

    name: str
    gene: BaseGene
    columns: tuple[str, ...]


def panels(frame: pd.DataFrame, space: SearchSpace) -> list[Panel]:
    """The genes in the order of the space; those of layers pooled over all layers."""
    found = []
    for name, gene in space.genes.items():
        columns: tuple[str, ...] = (f"{GENE}{name}",)
        found.append(Panel("number of layers" if isinstance(gene, LayersGene) else name, gene, columns))
        if isinstance(gene, LayersGene):
            for inner_name, inner in gene.genes.items():
                pattern = re.compile(rf"{re.escape(GENE)}layers\[\d+\]\.{re.escape(inner_name)}")
                columns = tuple(column for column in gene_columns(frame) if pattern.fullmatch(column))
                found.append(Panel(f"{inner_name} of every layer", inner, columns))
    return [panel for panel in found if any(column in frame for column in panel.columns)]


def columns_of(drawn: Sequence[Panel]) -> list[str]:
    """The columns of some panels."""
    return list(dict.fromkeys(column for panel in drawn for column in panel.columns))


def gene_values(
    frame: pd.DataFrame, space: SearchSpace, only: Sequence[str] | None = None, columns: int = 3
) -> go.Figure:
    """Small multiples: each gene's values over births, coloured by the first objective; `only` some panels.

    Colours compare scores of the shortest training, which every genome has had.
    """
    metric, direction = space.first_objective
    drawn = [panel for panel in panels(frame, space) if only is None or panel.name in only]
    winners = frame.loc[frame["front"], "genome"]
    # Only what is drawn: sorting hundreds of columns takes longer than drawing them.
    needed = ["number", "genome", "birth", "rung", "status", metric, *columns_of(drawn)]
    genomes = frame[needed].sort_values(["rung", "number"]).drop_duplicates("genome").sort_values("birth")
    genomes = genomes.assign(front=genomes["genome"].isin(winners))
    scored = genomes.loc[genomes["status"] == "finished", metric]
    some, is_whole = [], True
    for panel in drawn:
        every = _values(panel, genomes, metric)
        some.append(_thinned(every, panel.gene))
        is_whole &= len(some[-1]) == len(every)
    sample = "" if is_whole else f"; of a gene {MOST_DOTS} dots or {MOST_BANDS} bands are drawn, and all on the front"
    fig = figure(
        "Values of the genes",
        "Where dots gather, the search has settled. The more a colour stands out, the better the score after "
        f"{counted(space.rungs[0], 'step')}; grey has none; rings are on the front{sample}.",
        coloraxis=colour_axis(scored, metric, direction, space.measure),
        showlegend=False,
    )
    grid = small_multiples(fig, [panel.name for panel in drawn], columns)
    for index, (panel, values) in enumerate(zip(drawn, some, strict=True)):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        grid.update_xaxes(
            range=padded(-0.5, genomes["birth"].max() + 0.5, share=0.01),
            title_text="births",
            **whole_ticks(genomes["birth"].max()),
            **place,
        )
        grid.update_yaxes(**gene_axis(panel.gene), **place)
        if isinstance(panel.gene, IntervalGene):
            _draw_bands(grid, values, metric, direction, place)
        else:
            _draw_dots(grid, values, panel.gene, metric, place)
    return grid


def _values(panel: Panel, genomes: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row per value; `score` is missing where there is none."""
    score = genomes[metric].where(genomes["status"] == "finished")
    known = genomes[["birth", "front"]].assign(score=score)
    values = pd.concat([known.assign(value=genomes[name].astype(object)) for name in panel.columns])
    return values[values["value"].notna()]


def _thinned(values: pd.DataFrame, gene: BaseGene) -> pd.DataFrame:
    """Not too many of them, the front last and so on top."""
    limit = MOST_BANDS if isinstance(gene, IntervalGene) else MOST_DOTS
    if len(values) > limit:
        kept = values["front"].to_numpy(copy=True)
        kept[np.linspace(0, len(values) - 1, limit).astype(int)] = True
        values = values[kept]
    return values.sort_values("front", kind="stable")


def _draw_dots(fig: go.Figure, values: pd.DataFrame, gene: BaseGene, metric: str, place: dict[str, int]) -> None:
    size = 7 if len(values) < 250 else 5
    for has_score, part in values.groupby(values["score"].notna()):
        rings = np.where(part["front"], 2, 0) if part["front"].any() else 0
        marker: dict[str, Any] = {"size": size, "line": {"color": BEST, "width": rings}}
        marker |= {"color": part["score"], "coloraxis": "coloraxis"} if has_score else {"color": FAINT, "opacity": 0.5}
        value = [] if categories_of(gene) is not None else ["%{y:.4g}"]
        score = f"score %{{marker.color:{metric_format(metric)}}}" if has_score else "no score"
        hover = _hover(*value, score)
        fig.add_scatter(x=part["birth"], y=_heights(gene, part), mode="markers", marker=marker, **hover, **place)


def _draw_bands(fig: go.Figure, values: pd.DataFrame, metric: str, direction: Direction, place: dict[str, int]) -> None:
    """Vertical lines from low to high, one trace per shade of colour."""
    width = min(6.0, max(1.5, 220 / (len(values) + 1)))
    shade = pd.Series(-1, index=values.index)
    scored = values["score"].notna()
    shade[scored] = shades(values.loc[scored, "score"], direction, fig.layout.coloraxis)
    styles: list[tuple[pd.Series, dict[str, Any]]] = [
        (values["front"], {"mode": "lines", "line": {"color": BEST, "width": width + 4}})
    ]
    styles += [(shade == -1, {"mode": "lines", "line": {"color": FAINT, "width": width}, "opacity": 0.5})]
    styles += [(shade == each, shaded_line(each, width)) for each in range(SHADES - 1, -1, -1)]
    for chosen, style in styles:
        part = values[chosen]
        if len(part):
            ends = np.array(part["value"].tolist(), dtype=float).ravel()
            gaps = np.arange(2, len(ends), 2)
            x = with_gaps(part["birth"].to_numpy().repeat(2), gaps)
            fig.add_scatter(x=x, y=with_gaps(ends, gaps), **style, **_hover("%{y:.4g}"), **place)


def _hover(*lines: str) -> dict[str, str]:
    return {"hovertemplate": "<br>".join(["birth %{x}", *lines]) + "<extra></extra>"}


def categories_of(gene: BaseGene) -> list[Any] | None:
    """The values of a gene that has few; None for one with a scale."""
    listed = getattr(gene, "values", None)
    if listed is not None:
        return list(listed)
    if isinstance(gene, LayersGene):
        low, high = gene.min, gene.max
    elif gene.size is not None and gene.size <= FEW:
        low, high = gene.low, gene.high  # type: ignore[attr-defined]
    else:
        return None
    return list(range(low, high + 1)) if high - low < FEW else None


def gene_axis(gene: BaseGene, names: bool = True) -> dict[str, Any]:
    """The axis of a gene in its own scale; `names`: few whole numbers as categories, as they are drawn in dots."""
    categories = categories_of(gene) if names else None
    if categories is not None:
        labels = [text(shown(value, 22)) for value in categories]
        # A linear axis with names for ticks, not Plotly's category axis: dots can then be spread within a category.
        places = list(range(len(categories)))
        return {"tickvals": places, "ticktext": labels, "range": [-0.6, len(places) - 0.4], "zeroline": False}
    low, high, log = gene_range(gene)
    if not log:
        return {"range": padded(low, high)}
    around = round_values(low, high)
    return {"type": "log", "range": padded(low, high, log), "tickvals": around, "ticktext": [f"{v:g}" for v in around]}


def gene_range(gene: BaseGene) -> tuple[float, float, bool]:
    """Least and greatest value of a gene with a scale, and whether that is logarithmic."""
    if isinstance(gene, LayersGene):
        return gene.min, gene.max, False
    return gene.low, gene.high, getattr(gene, "log", False)  # type: ignore[attr-defined]


def _heights(gene: BaseGene, part: pd.DataFrame) -> pd.Series:
    """Where the dots are drawn: values, or for categories their places, spread evenly within each."""
    categories = categories_of(gene)
    if categories is None:
        return part["value"].astype(float)
    # As JSON, because 1, 1.0, true and "true" are different settings.
    place = {json.dumps(value): index for index, value in enumerate(categories)}
    found = [place[json.dumps(value)] for value in part["value"].tolist()]
    # The golden ratio spreads neighbours apart, the same way every time.
    spread = (np.arange(len(part)) * 0.618034) % 1 - 0.5
    return pd.Series(found, index=part.index) + 0.6 * spread
