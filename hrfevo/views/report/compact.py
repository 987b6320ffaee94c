"""Figures as plain data for a page, in few characters."""

from __future__ import annotations

import base64
import html
from typing import Any

import numpy as np
import plotly.graph_objects as go

from hrfevo.views.figures.style import caption_of

# What a figure's own title and caption take, in pixels; how high it is if it does not say.
TITLE, HEIGHT = 90, 430

Drawing = dict[str, Any]
"""`data` and `layout` as plotly.js reads them."""


def drawing(figure: go.Figure) -> Drawing:
    """A figure without its template, its title and its size, which the page decides."""
    layout = figure.layout.to_plotly_json()
    for name in ("template", "title", "height", "width"):
        layout.pop(name, None)
    layout["coloraxis"] = layout.get("coloraxis", {}) | {"showscale": False}
    return {"data": [trace.to_plotly_json() for trace in figure.data], "layout": layout}


def picture(figure: go.Figure) -> Drawing:
    """A figure with its title, caption and height as words and a number of their own."""
    plain = drawing(figure)
    plain["layout"]["margin"] = {"t": 30}
    said = {"title": html.unescape(figure.layout.title.text), "caption": html.unescape(caption_of(figure))}
    return {**said, "height": (figure.layout.height or HEIGHT) - TITLE, **plain}


def apart(whole: Drawing) -> dict[str, Drawing]:
    """The plots of a figure of small multiples as figures of their own, by title."""
    layout = whole["layout"]
    titles = [html.unescape(note["text"]) for note in layout["annotations"]]
    shared = {name: value for name, value in layout.items() if not name.startswith(("xaxis", "yaxis", "annotations"))}
    parts = {}
    for number, title in enumerate(titles, start=1):
        suffix = "" if number == 1 else str(number)
        data = [
            trace | {"xaxis": "x", "yaxis": "y"} for trace in whole["data"] if trace.get("xaxis", "x") == f"x{suffix}"
        ]
        axes = {axis: _free(layout[f"{axis}{suffix}"]) for axis in ("xaxis", "yaxis")}
        parts[title] = {"data": data, "layout": shared | axes}
    return parts


def _free(axis: dict[str, Any]) -> dict[str, Any]:
    """An axis that takes all the room there is."""
    return {name: value for name, value in axis.items() if name not in ("domain", "anchor")}


def packed(value: Any) -> Any:
    """The same with numbers as plotly.js's typed arrays: seven digits are more than a screen can show.

    Counts are told to the last digit.
    """
    if isinstance(value, dict):
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [packed(item) for item in value]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "if" or value.size == 0:
        return value.tolist() if isinstance(value, np.ndarray) else value
    if value.dtype.kind == "f":
        kind = "f8" if ((np.abs(value) > 2**24) & (value == np.rint(value))).any() else "f4"
    else:
        largest = int(np.abs(value).max())
        kind = "i1" if largest < 2**7 else "i2" if largest < 2**15 else "i4" if largest < 2**31 else "f8"
    return {"dtype": kind, "bdata": base64.b64encode(value.astype(kind).tobytes()).decode("ascii")}
