"""Figures as parts of a page: made once for each state of a run, painted for the screen that shows them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from hrfevo.results.frames import curve_frame
from hrfevo.results.worth import yardsticks_of
from hrfevo.store.records import Version
from hrfevo.views.dashboard.watch import Snapshot
from hrfevo.views.figures.gallery import gallery
from hrfevo.views.figures.sampling import drawn
from hrfevo.views.figures.style import caption_of, colour_scale, template
from signal_model.support.errors import counted
from signal_model.support.style import Mode

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
        self._shown = 0
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
            if self._figures and (behind := _ended(snapshot) - self._shown) > 0:
                said = f"These figures are {counted(behind, 'evaluation')} behind; newer ones are being drawn."
            if self._failed:
                said = "The figures could not be drawn; the terminal of the dashboard says why."
            return Pictures(self._drawn, self._figures, said)

    def _draw(self, snapshot: Snapshot) -> None:
        began = time.monotonic()
        figures = None
        try:
            frame = snapshot.with_genes
            curves = curve_frame(snapshot.curves(frame.loc[drawn(frame), "number"].tolist()))
            figures = gallery(frame, curves, snapshot.history, yardsticks_of(snapshot.run.settings))
        finally:
            now = time.monotonic()
            with self._lock:
                self._busy, self._failed, self._next = False, figures is None, now + REST * (now - began)
                if figures is not None:
                    self._drawn, self._figures, self._shown = snapshot.version, figures, _ended(snapshot)


def _ended(snapshot: Snapshot) -> int:
    return int((snapshot.frame["status"] != "running").sum())


def painted(figure: go.Figure, screen: Screen, revision: str) -> dict[str, Any]:
    """A figure without title for one kind of screen. What the reader has hidden stays so while `revision` does."""
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


def part(children: list[Component], of: str, run: str, **props: Any) -> html.Div:
    """A piece of the page whose contents are replaced when its run has news. `run` is empty for what runs share."""
    return html.Div(children, id={"type": "part", "of": of, "run": run}, **props)


def section(figure: go.Figure, run: str, name: str, screen: Screen) -> html.Figure:
    """A figure with title and caption as text, which wraps on narrow screens. Its points can be clicked."""
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
            "toImageButtonOptions": {"format": "svg", "filename": name},
        },
        style={"height": f"{figure.layout.height or HEIGHT}px"},
        className="plot wide" if several else "plot",
        responsive=True,
    )
    said = [html.H3(figure.layout.title.text), html.Figcaption(caption_of(figure)), *_scale(figure)]
    return html.Figure([part(said, f"caption of {name}", run), html.Div(graph, className="frame")])


def picture(figure: go.Figure, screen: Screen, wide: bool = False) -> html.Figure:
    """A figure on a card; a wide one is scrolled to see all of it."""
    graph = dcc.Graph(
        figure=painted(figure, screen, ""),
        config={"responsive": True, "displayModeBar": False},
        style={"height": f"{figure.layout.height or HEIGHT}px"},
        className="plot picture" if wide else "plot",
    )
    said = [html.H3(figure.layout.title.text), html.Figcaption(caption_of(figure))]
    return html.Figure([*said, html.Div(graph, className="frame")])


def live(tree: Sequence[Component]) -> Iterator[Component]:
    """The pieces of a page that change while its shape stays: parts and figures, in order."""
    for component in tree:
        name, inner = getattr(component, "id", None), getattr(component, "children", None)
        if isinstance(name, dict) and name["type"] in ("part", "figure"):
            yield component
        elif isinstance(inner, Component):
            yield from live([inner])
        elif isinstance(inner, list):
            yield from live(inner)


def contents(piece: Component, view: Mapping[str, Any]) -> dict[str, Any]:
    """What of a piece changes; the piece itself stays. `view` is what its reader did last: a zoom stays as it is.

    Plotly's own memory of a zoom (`uirevision`) forgets it as soon as the figure's range moves with the data.
    """
    if piece.id["type"] == "part":
        return {"children": piece.children}
    for axis, low in view.items():
        high = view.get(axis.replace("[0]", "[1]"))
        if (found := re.fullmatch(r"([xy]axis\d*)\.range\[0\]", axis)) and all(
            isinstance(value, int | float) for value in (low, high)
        ):
            layout = piece.figure["layout"]
            layout[found[1]] = layout.get(found[1], {}) | {"range": [low, high]}
    return {"figure": piece.figure, "style": piece.style}


def _scale(figure: go.Figure) -> list[html.Div]:
    if (found := colour_scale(figure)) is None:
        return []
    parts = [html.Span(found.title), html.Span(found.best), html.I(), html.Span(found.worst)]
    return [html.Div(parts, className="scale")]
