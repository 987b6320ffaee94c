"""The sections of a page, and the figures that a script draws into them."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from hrfevo.report.frames import Objectives
from hrfevo.report.front_figure import drawable, drawn_first, front_axis
from hrfevo.report.style import caption_of, metric_name, template
from hrfevo.space import METRICS

# What a figure's own title and caption take, in pixels.
TITLE = 90


class Board:
    """Figures with their titles and captions as HTML, which wraps on narrow screens."""

    def __init__(self, frame: pd.DataFrame, objectives: Objectives) -> None:
        self._frame, self._objectives = frame, objectives
        self.sections: list[str] = []
        self.figures: dict[str, go.Figure] = {}

    def add(self, name: str, figure: go.Figure, above: str = "") -> None:
        """One figure; `above` is HTML between caption and drawing."""
        self._section(figure, above + self._place(name, figure, figure.layout.title.text))

    def add_front(self, name: str, figure: go.Figure) -> None:
        """A figure whose axes can be chosen among metrics."""
        metrics = drawable(self._frame, self._objectives)
        axes = {
            metric: {"name": metric_name(metric), "axis": front_axis(self._frame, self._objectives, metric)}
            for metric in metrics
        }
        across, up = drawn_first(self._objectives)
        selects = "".join(
            f'<label>{label} <select name="{axis}">'
            + "".join(
                f'<option value="{metric}"{" selected" if metric == chosen else ""}>{html.escape(METRICS[metric])}</option>'
                for metric in metrics
            )
            + "</select></label>"
            for axis, label, chosen in (("y", "upward", up), ("x", "across", across))
        )
        form = f'<form class="choose" id="choose" data-figure="figure-{name}" data-axes="{html.escape(json.dumps(axes))}">'
        hint = '<p class="hint">Click or tap a dot for the card of its genome.</p>'
        self.add(name, figure, f"{form}{selects}</form>{hint}" if len(metrics) > 2 else hint)

    def add_panels(self, name: str, whole: go.Figure, parts: Mapping[str, go.Figure]) -> None:
        """A figure as a grid of small ones, which makes one column on a phone."""
        cells = []
        for number, (title, part) in enumerate(parts.items(), start=1):
            part.layout.annotations, part.layout.height = [], None
            place = self._place(f"{name}-{number}", part, title, top=8)
            cells.append(f'<div class="panel"><h3>{html.escape(title)}</h3>{place}</div>')
        self._section(whole, f'<div class="panels">{"".join(cells)}</div>')

    def json(self) -> str:
        """Figures and templates for the script; `<`, `>` and `/` are escaped, so no data can end it."""
        templates = {mode: template(mode) for mode in ("light", "dark")}
        return str(to_json_plotly({"figures": self.figures, "templates": templates}))

    def _section(self, figure: go.Figure, content: str) -> None:
        title, caption = html.escape(html.unescape(figure.layout.title.text or "")), html.escape(caption_of(figure))
        self.sections.append(
            f"<section><figure><h2>{title}</h2><figcaption>{caption}</figcaption>{_scale(figure)}{content}</figure></section>"
        )

    def _place(self, name: str, figure: go.Figure, label: str, top: int = 30) -> str:
        """Where a figure is drawn; one that needs width is scrolled to see all of it."""
        width, height = figure.layout.width, figure.layout.height
        style = (f"height:{height - TITLE}px;" if height else "") + (f"min-width:{width}px" if width else "")
        place = f'<div class="plot" id="figure-{name}" style="{style}" role="img" aria-label="{html.escape(label)}"></div>'
        self.figures[f"figure-{name}"] = _for_page(figure, top)
        return f'<div class="scroll" tabindex="0">{place}</div>' if width else place


def _for_page(figure: go.Figure, top: int) -> go.Figure:
    """A copy without what the page writes or decides itself, its numbers with the seven digits that a screen can show."""
    copy = go.Figure(figure)
    margin = copy.layout.margin.to_plotly_json()
    margin["t"] = (margin["t"] - TITLE) if "t" in margin else top
    copy.update_layout(template=None, coloraxis_showscale=False, height=None, width=None, title=None, margin=margin)
    for trace in copy.data:
        for axis in {"x", "y", "base"} & set(trace):
            if isinstance(trace[axis], np.ndarray) and trace[axis].dtype == np.float64:
                trace[axis] = trace[axis].astype(np.float32)
    return copy


def _scale(figure: go.Figure) -> str:
    """The colour axis as HTML: from the best colour to the worst."""
    axis = figure.layout.coloraxis
    if axis.cmin is None:
        return ""
    ends = (axis.cmax, axis.cmin) if axis.reversescale else (axis.cmin, axis.cmax)
    title = html.escape(axis.colorbar.title.text)
    best, worst = (format(end, ",.0f" if abs(end) >= 1000 else ".4g") for end in ends)
    return f'<div class="scale"><span>{title}:</span><span>{best}</span><i></i><span>{worst} or worse</span></div>'
