"""The sections of a page, and the figures that a script draws into them."""

from __future__ import annotations

import html
import json

import pandas as pd
import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from hrfevo.results.frames import Objectives
from hrfevo.space.search_space import METRICS
from hrfevo.views.figures.style import caption_of, metric_name, template
from hrfevo.views.figures.winners.front import drawable, drawn_first, front_axis, told_of_points
from hrfevo.views.report.compact import TITLE, Drawing, apart, drawing, packed

# What a legend takes, in pixels.
LEGEND = 30


class Board:
    """Figures with their titles and captions as HTML, which wraps on narrow screens."""

    def __init__(self, frame: pd.DataFrame, objectives: Objectives) -> None:
        self._frame, self._objectives = frame, objectives
        self.sections: list[str] = []
        self.figures: dict[str, Drawing] = {}

    def add(self, name: str, figure: go.Figure) -> None:
        """One figure; one that needs width is scrolled to see all of it."""
        plain = drawing(figure)
        height, width, margin = figure.layout.height, figure.layout.width, plain["layout"].get("margin", {})
        plain["layout"]["margin"] = margin | {"t": margin["t"] - TITLE if "t" in margin else LEGEND}
        above = self._axes(name, plain) if name == "front" else ""
        style = (f"height:{height - TITLE}px;" if height else "") + (f"min-width:{width}px" if width else "")
        place = self._place(name, plain, html.unescape(figure.layout.title.text), style)
        self._section(figure, above + (f'<div class="scroll" tabindex="0">{place}</div>' if width else place))

    def add_panels(self, name: str, figure: go.Figure) -> None:
        """The plots of a figure as a grid of small ones, which makes one column on a phone."""
        cells = []
        for number, (title, part) in enumerate(apart(drawing(figure)).items(), start=1):
            part["layout"]["margin"] = {"t": 8}
            place = self._place(f"{name}-{number}", part, title)
            cells.append(f'<div class="panel"><h3>{html.escape(title)}</h3>{place}</div>')
        self._section(figure, f'<div class="panels">{"".join(cells)}</div>')

    def json(self) -> str:
        """Figures and templates for the script; `<`, `>` and `/` are escaped, so no data can end it."""
        templates = {mode: template(mode) for mode in ("light", "dark")}
        return str(to_json_plotly({"figures": packed(self.figures), "templates": templates}))

    def _axes(self, name: str, plain: Drawing) -> str:
        """Selects for the axes of the front, which the script fills from the data of the cards."""
        across, up = drawn_first(self._objectives)
        metrics = drawable(self._frame, self._objectives)
        # So it does with what is said of a point, genes included.
        for trace in plain["data"]:
            trace.pop("customdata", None)
        plain["layout"]["meta"] = {"told": told_of_points(self._objectives, across, up)}
        axes = {
            metric: {"name": metric_name(metric), "axis": front_axis(self._frame, self._objectives, metric)}
            for metric in metrics
        }
        selects = ""
        for axis, label, chosen in (("y", "upward", up), ("x", "across", across)):
            marks = {chosen: " selected"}
            options = "".join(
                f'<option value="{metric}"{marks.get(metric, "")}>{html.escape(METRICS[metric])}</option>'
                for metric in metrics
            )
            selects += f'<label>{label} <select name="{axis}">{options}</select></label>'
        form = (
            f'<form class="choose" id="choose" data-figure="figure-{name}" data-axes="{html.escape(json.dumps(axes))}">'
        )
        hint = '<p class="hint">Click or tap a dot for the card of its genome.</p>'
        return (f"{form}{selects}</form>" if len(metrics) > 2 else "") + hint

    def _section(self, figure: go.Figure, content: str) -> None:
        title, caption = html.escape(html.unescape(figure.layout.title.text)), html.escape(caption_of(figure))
        self.sections.append(
            f"<section><figure><h2>{title}</h2><figcaption>{caption}</figcaption>{_scale(figure)}{content}</figure></section>"
        )

    def _place(self, name: str, plain: Drawing, label: str, style: str = "") -> str:
        self.figures[f"figure-{name}"] = plain
        return (
            f'<div class="plot" id="figure-{name}" style="{style}" role="img" aria-label="{html.escape(label)}"></div>'
        )


def _scale(figure: go.Figure) -> str:
    """The colour axis as HTML: from the best colour to the worst."""
    axis = figure.layout.coloraxis
    if axis.cmin is None:
        return ""
    ends = (axis.cmax, axis.cmin) if axis.reversescale else (axis.cmin, axis.cmax)
    title = html.escape(axis.colorbar.title.text)
    best, worst = (format(end, ",.0f" if abs(end) >= 1000 else ".4g") for end in ends)
    return f'<div class="scale"><span>{title}:</span><span>{best}</span><i></i><span>{worst} or worse</span></div>'
