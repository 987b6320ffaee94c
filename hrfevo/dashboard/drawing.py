"""Figures as parts of a page: made once for each state of a run, painted for the screen that shows them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import plotly.graph_objects as go
from dash import dcc, html

from hrfevo.dashboard.watch import Snapshot
from hrfevo.report.gallery import gallery
from hrfevo.report.style import caption_of, template
from hrfevo.store import Version
from signal_model.style import Mode

HEIGHT = 420
# A gallery is drawn again after this many times as long as it took: a large run costs a fifth of a core at most.
REST = 4.0
BUTTONS = [["toImage", "zoom2d", "pan2d", "resetScale2d"]]


class Screen(TypedDict):
    """What shows the page: dark or light, with a finger or a mouse."""

    dark: bool
    touch: bool


@dataclass(frozen=True)
class Pictures:
    """Figures by name, the state of the run that they show, and what is to be said of them."""

    version: Version | None
    figures: Mapping[str, go.Figure]
    said: str


class Album:
    """All figures of one run, drawn beside the requests that show them, which never wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: Version | None = None
        self._figures: dict[str, go.Figure] = {}
        self._busy, self._failed = False, False
        self._next = 0.0

    def of(self, snapshot: Snapshot) -> Pictures:
        """The figures that there are; newer ones are begun if it is time."""
        with self._lock:
            if self._drawn != snapshot.version and not self._busy and time.monotonic() >= self._next:
                self._busy = True
                threading.Thread(target=self._draw, args=(snapshot,), daemon=True).start()
            said = "" if self._figures else "Nothing to draw yet." if self._drawn else "Drawing …"
            if self._failed:
                said = "The figures could not be drawn; the terminal of the dashboard says why."
            return Pictures(self._drawn, self._figures, said)

    def _draw(self, snapshot: Snapshot) -> None:
        began = time.monotonic()
        figures = None
        try:
            figures = gallery(snapshot.frame, snapshot.curve_frame, snapshot.space, snapshot.evaluations)
        finally:
            now = time.monotonic()
            with self._lock:
                self._busy, self._failed, self._next = False, figures is None, now + REST * (now - began)
                if figures is not None:
                    self._drawn, self._figures = snapshot.version, figures


def painted(figure: go.Figure, screen: Screen, revision: str) -> dict[str, Any]:
    """A figure without title for one kind of screen. What the reader has zoomed to stays while `revision` does."""
    mode: Mode = "dark" if screen["dark"] else "light"
    drawn: dict[str, Any] = figure.to_plotly_json()
    layout = drawn["layout"] | {
        "template": template(mode).to_plotly_json(),
        "margin": {"t": 30},
        "uirevision": revision,
        "height": None,
    }
    layout.pop("title", None)
    layout["coloraxis"] = layout.get("coloraxis", {}) | {"showscale": False}
    if screen["touch"]:
        # A finger that scrolls the page must not be taken for one that draws a zoom box.
        layout["dragmode"] = False
    for trace in drawn["data"]:
        if isinstance(trace.get("meta"), dict) and mode in trace["meta"]:
            trace["line"] = trace["line"] | {"color": trace["meta"][mode]}
    return drawn | {"layout": layout}


def section(figure: go.Figure, run: str, name: str, screen: Screen) -> html.Figure:
    """A figure with title and caption as text, which wraps on narrow screens. Its points can be clicked."""
    title = figure.layout.title.text
    drawn = painted(figure, screen, f"{run}/{name}")
    several = sum(key.startswith("xaxis") for key in drawn["layout"]) > 2
    graph = dcc.Graph(
        id={"type": "figure", "run": run, "name": name},
        figure=drawn,
        config={
            "responsive": True,
            "displaylogo": False,
            "displayModeBar": False if screen["touch"] else "hover",
            "modeBarButtons": BUTTONS,
        },
        style={"height": f"{figure.layout.height or HEIGHT}px"},
        className="plot wide" if several else "plot",
        responsive=True,
    )
    return html.Figure(
        [html.H3(title), html.Figcaption(caption_of(figure)), *_scale(figure), html.Div(graph, className="frame")]
    )


def _scale(figure: go.Figure) -> list[html.Div]:
    """The colour axis, from the best colour to the worst."""
    axis = figure.layout.coloraxis
    if axis.cmin is None:
        return []
    ends = (axis.cmax, axis.cmin) if axis.reversescale else (axis.cmin, axis.cmax)
    best, worst = (format(end, ",.0f" if abs(end) >= 1000 else ".4g") for end in ends)
    parts = [html.Span(f"{axis.colorbar.title.text}:"), html.Span(best), html.I(), html.Span(f"{worst} or worse")]
    return [html.Div(parts, className="scale")]
