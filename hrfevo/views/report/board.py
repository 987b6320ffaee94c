"""The sections of a page, and the figures that a script draws into them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.frames import Objectives
from hrfevo.space.metrics import Measures
from hrfevo.views.figures.style import ColourScale, caption_of, colour_scale, metric_name, template
from hrfevo.views.figures.winners.front import drawable, drawn_first, front_axis, told_of_points
from hrfevo.views.report.compact import TITLE, Drawing, apart, drawing, packed

# What a legend takes, in pixels.
LEGEND = 30


@dataclass(frozen=True)
class Plot:
    """A place that the script draws a figure into.

    Sizes are in pixels; of a height that is None the style sheet decides. One with a width needs so much, and is
    scrolled where there is less.
    """

    id: str
    title: str
    height: int | None = None
    width: int | None = None


@dataclass(frozen=True)
class Axes:
    """Metrics that the axes of a figure can be of: the heading of each, and what the script must know of it.

    `drawn` are the axes, each with its label and the metric that it begins with.
    """

    choices: Mapping[str, str]
    known: Mapping[str, Any]
    drawn: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Section:
    """A figure with its title and caption, which wrap on narrow screens: one plot, or several small ones as panels."""

    title: str
    caption: str
    scale: ColourScale | None
    plots: tuple[Plot, ...]
    panels: bool = False
    axes: Axes | None = None


class Board:
    """The figures of a page: sections for its template, drawings for its script."""

    def __init__(self, frame: pd.DataFrame, objectives: Objectives, measures: Measures) -> None:
        self._frame, self._objectives, self._measures = frame, objectives, measures
        self._figures: dict[str, Drawing] = {}
        self.sections: list[Section] = []

    def add(self, name: str, figure: go.Figure) -> None:
        """One figure; one that needs width is scrolled to see all of it."""
        plain = drawing(figure)
        height, margin = figure.layout.height, plain["layout"].get("margin", {})
        plain["layout"]["margin"] = margin | {"t": margin["t"] - TITLE if "t" in margin else LEGEND}
        axes = self._axes(plain) if name == "front" else None
        title = html.unescape(figure.layout.title.text)
        plot = Plot(f"figure-{name}", title, height - TITLE if height else None, figure.layout.width)
        self._figures[plot.id] = plain
        self.sections.append(Section(title, caption_of(figure), colour_scale(figure), (plot,), axes=axes))

    def add_panels(self, name: str, figure: go.Figure) -> None:
        """The plots of a figure as a grid of small ones, which makes one column on a phone."""
        plots = []
        for number, (title, part) in enumerate(apart(drawing(figure)).items(), start=1):
            part["layout"]["margin"] = {"t": 8}
            plots.append(Plot(f"figure-{name}-{number}", title))
            self._figures[plots[-1].id] = part
        title = html.unescape(figure.layout.title.text)
        self.sections.append(Section(title, caption_of(figure), colour_scale(figure), tuple(plots), panels=True))

    @property
    def drawings(self) -> dict[str, Any]:
        """Figures and templates for the script."""
        templates = {mode: template(mode) for mode in ("light", "dark")}
        return {"figures": packed(self._figures), "templates": templates}

    def _axes(self, plain: Drawing) -> Axes:
        """Of the front, whose points the script fills from the data of the cards."""
        across, up = drawn_first(self._objectives)
        # So it does with what is said of a point, genes included.
        for trace in plain["data"]:
            trace.pop("customdata", None)
        plain["layout"]["meta"] = {"told": told_of_points(self._objectives, across, up)}
        metrics = drawable(self._frame, self._objectives)
        known: dict[str, Any] = {
            metric: {
                "name": metric_name(metric),
                "axis": front_axis(self._frame, self._objectives, metric, self._measures),
            }
            for metric in metrics
        }
        headings: dict[str, str] = {metric: self._measures(metric).heading for metric in metrics}
        return Axes(headings, known, (("y", "upward", up), ("x", "across", across)))
