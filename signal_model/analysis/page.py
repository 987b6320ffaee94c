"""One HTML file with tables and figures that opens offline, light or dark."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from signal_model.analysis.figures import template
from signal_model.style import INK, ink_variables


@dataclass(frozen=True)
class Table:
    """Rows of text under heads; the first column is aligned left, the others right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A figure, what to see in it, and the same as a table to unfold."""

    title: str
    caption: str
    figure: go.Figure
    table: Table | None = None


def render(title: str, subtitle: str, lead: str, sections: Sequence[Section], footer: str) -> str:
    """The whole page; all text is escaped."""
    figures = {f"figure-{number}": section.figure for number, section in enumerate(sections, start=1)}
    drawn = [_section(name, section) for name, section in zip(figures, sections, strict=True)]
    # Escapes `<`, `>` and `/`, so that no data can end the script element.
    plain = {name: go.Figure(figure).update_layout(template=None) for name, figure in figures.items()}
    data = to_json_plotly({"figures": plain, "templates": {mode: template(mode) for mode in INK}})
    return Template(resources.files("signal_model.analysis").joinpath("page.html").read_text("utf-8")).substitute(
        title=html.escape(title),
        subtitle=html.escape(subtitle),
        lead=html.escape(lead),
        sections="\n".join(drawn),
        footer=html.escape(footer),
        light=ink_variables("light"),
        dark=ink_variables("dark"),
        data=data,
        plotly=get_plotlyjs(),
    )


def _section(name: str, section: Section) -> str:
    title, caption = html.escape(section.title), html.escape(section.caption)
    style = f"height:{section.figure.layout.height}px"
    plot = f'<div class="plot" id="{name}" style="{style}" role="img" aria-label="{title}"></div>'
    table = f"<details><summary>As a table</summary>{_table(section.table)}</details>" if section.table else ""
    return f"<section><figure><h2>{title}</h2><figcaption>{caption}</figcaption>{plot}</figure>{table}</section>"


def _table(table: Table) -> str:
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in table.heads)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
