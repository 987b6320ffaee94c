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


def render(title: str, subtitle: str, lead: str, sections: Sequence[Section], footer: str) -> str:
    """The whole page; all text is escaped."""
    names = [f"figure-{number}" for number in range(1, len(sections) + 1)]
    drawn = [_section(name, section) for name, section in zip(names, sections, strict=True)]
    figures = {name: section.figure for name, section in zip(names, sections, strict=True) if section.figure}
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
    if section.figure is None:
        about = f"<p class='quiet'>{caption}</p>" if caption else ""
        return f"<section><h2>{title}</h2>{about}{_table(section.table) if section.table else ''}</section>"
    style = f"height:{section.figure.layout.height}px"
    # Panels side by side would lie on one another on a phone; there they scroll.
    panels = " panels" if len(list(section.figure.select_xaxes())) > 1 else ""
    plot = f'<div class="plot{panels}" id="{name}" style="{style}" role="img" aria-label="{title}"></div>'
    plot = f'<div class="scroll">{plot}</div>' if panels else plot
    table = f"<details><summary>As a table</summary>{_table(section.table)}</details>" if section.table else ""
    return f"<section><figure><h2>{title}</h2><figcaption>{caption}</figcaption>{plot}</figure>{table}</section>"


def _table(table: Table) -> str:
    heads = _row(table, table.heads, "th")
    rows = "".join(_row(table, row, "td") for row in table.rows)
    head = f"<thead>{heads}</thead>" if any(table.heads) else ""
    return f'<div class="scroll"><table>{head}<tbody>{rows}</tbody></table></div>'


def _row(table: Table, cells: Sequence[str], tag: str) -> str:
    starts = [f'<{tag} class="words">' if place < table.words else f"<{tag}>" for place in range(len(cells))]
    return (
        f"<tr>{''.join(f'{start}{html.escape(cell)}</{tag}>' for start, cell in zip(starts, cells, strict=True))}</tr>"
    )
