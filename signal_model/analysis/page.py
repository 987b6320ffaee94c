"""One HTML file with tables and figures that opens offline, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from signal_model.analysis.figures import template
from signal_model.support.pages import Script, page
from signal_model.support.style import INK, ink_variables


@dataclass(frozen=True)
class Table:
    """Rows of text under heads; the first columns, as many as hold words, are aligned left, the others right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


@dataclass(frozen=True)
class Section:
    """A figure, what to see in it, and the same as a table to unfold; or a table alone."""

    title: str
    caption: str
    figure: go.Figure | None
    table: Table | None = None

    @property
    def panels(self) -> bool:
        """Whether plots lie side by side, which would lie on one another on a phone; there they scroll."""
        return self.figure is not None and len(list(self.figure.select_xaxes())) > 1


def render(title: str, subtitle: str, lead: str, sections: Sequence[Section], footer: str) -> str:
    """The whole page; all text is escaped."""
    drawn = {f"figure-{number}": one.figure for number, one in enumerate(sections, start=1) if one.figure}
    plain = {name: go.Figure(figure).update_layout(template=None) for name, figure in drawn.items()}
    return page(
        "signal_model.analysis",
        title=title,
        subtitle=subtitle,
        lead=lead,
        sections=sections,
        footer=footer,
        light=ink_variables("light"),
        dark=ink_variables("dark"),
        drawings={"figures": plain, "templates": {mode: template(mode) for mode in INK}},
        scripts={"plotly": Script.of(get_plotlyjs()), "draw": Script.read("signal_model.analysis", "page.js")},
    )
