"""How pages and figures look: ink and ground, light or dark, and what all Plotly templates share."""

from __future__ import annotations

import html
from typing import Any, Literal

Mode = Literal["light", "dark"]

# Text, secondary text, grid lines, background, raised surfaces.
INK: dict[Mode, dict[str, str]] = {
    "light": {"ink": "#1b1f24", "quiet": "#59636e", "grid": "#e3e6ea", "ground": "#ffffff", "raised": "#f6f7f9"},
    "dark": {"ink": "#e8eaed", "quiet": "#a2abb5", "grid": "#30363d", "ground": "#14171c", "raised": "#1d2127"},
}


def text(value: object) -> str:
    """Text that Plotly shows as it stands: its labels read <b>, <a href> and entities as HTML does."""
    return html.escape(str(value), quote=False)


def ink_variables(mode: Mode) -> str:
    """The inks as CSS variables."""
    return " ".join(f"--{name}: {colour};" for name, colour in INK[mode].items())


def base_layout(mode: Mode) -> dict[str, Any]:
    """Layout of a Plotly template on a transparent background, without colours of traces and without margins."""
    ink = INK[mode]
    font = {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 13, "color": ink["ink"]}
    axis = {
        "gridcolor": ink["grid"],
        "linecolor": ink["quiet"],
        "tickcolor": ink["quiet"],
        "tickfont": {"color": ink["quiet"], "size": 12},
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 13}},
    }
    return {
        "font": font,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"bgcolor": ink["raised"], "bordercolor": ink["quiet"], "font": font, "align": "left"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": ink["quiet"], "activecolor": ink["ink"]},
        "xaxis": axis,
        "yaxis": axis,
    }
