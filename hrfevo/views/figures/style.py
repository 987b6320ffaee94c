"""How figures look: colours, the Plotly template, safe text, axis ranges.

Colours are from Okabe & Ito and from cividis, which colour-blind readers can tell apart. Those of
single traces have a contrast of at least 3:1 on white and on dark pages alike.
"""

from __future__ import annotations

import html
import json
import math
import textwrap
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, sample_colorscale

from hrfevo.space.metrics import METRICS, Direction, Measures, measure
from signal_model.support.style import INK, Mode, base_layout, ink_variables
from signal_model.support.style import text as text

SHADES = 10

# Vermillion is the best, blue the many, wherever they appear.
BEST, MANY, OTHER, FAINT = "#D55E00", "#0072B2", "#009E73", "#808080"
PURPLE, SKY, ORANGE, YELLOW = "#CC79A7", "#56B4E9", "#E69F00", "#F0E442"

# Fills that lie side by side and need no contrast to the page.
CATEGORIES = (MANY, ORANGE, OTHER, PURPLE, SKY, BEST, YELLOW, FAINT)
# From the lowest rung up.
RUNGS = (FAINT, MANY, OTHER, PURPLE)


@cache
def scale(mode: Mode = "light", count: int = 10) -> tuple[str, ...]:
    """Colours from the best score to the worst: the best stands out most from the background."""
    first, last = (0.0, 0.88) if mode == "light" else (1.0, 0.22)
    rgb = sample_colorscale("Cividis", np.linspace(first, last, count), colortype="tuple")
    return tuple("#" + "".join(f"{round(255 * channel):02x}" for channel in colour) for colour in rgb)


def page_variables(mode: Mode) -> str:
    """The inks and the colours of scores as CSS variables."""
    return f"{ink_variables(mode)} --scale: {', '.join(scale(mode))};"


@cache
def template(mode: Mode = "light") -> go.layout.Template:
    """The template that all figures share, on a transparent background; each takes a copy of its own."""
    own = {
        "title": {
            "x": 0,
            "xref": "paper",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 16},
            "font": {"size": 18},
            "subtitle": {"font": {"color": INK[mode]["quiet"]}},
        },
        "colorway": [MANY, BEST, OTHER, FAINT],
        "coloraxis": {"colorscale": scale(mode), "colorbar": {"outlinewidth": 0, "thickness": 12}},
        "margin": {"l": 8, "r": 12, "t": 120, "b": 8},
        "hovermode": "closest",
        "barcornerradius": 3,
    }
    return go.layout.Template(
        layout=base_layout(mode) | own,
        data={"scatter": [{"marker": {"line": {"width": 0}}}], "bar": [{"marker": {"line": {"width": 0}}}]},
    )


def figure(title: str, caption: str, **layout: Any) -> go.Figure:
    """An empty figure with its title, and a caption that says what to see."""
    subtitle = "<br>".join(textwrap.wrap(text(caption), 110, break_long_words=False, break_on_hyphens=False))
    return go.Figure(
        layout={"template": template(), "title": {"text": title, "subtitle": {"text": subtitle}}, **layout}
    )


def caption_of(figure: go.Figure) -> str:
    """The caption as plain text."""
    return html.unescape(str(figure.layout.title.subtitle.text).replace("<br>", " "))


def shown(value: Any, width: int | None = None) -> str:
    """A gene's value in words: as YAML writes it, numbers to four digits, cut to `width`."""
    if isinstance(value, bool) or value is None:
        words = json.dumps(value)
    elif isinstance(value, float):
        words = f"{value:.4g}"
    elif isinstance(value, list | tuple):
        words = "[" + ", ".join(shown(item) for item in value) + "]"
    else:
        words = value if isinstance(value, str) else json.dumps(value)
    return words if width is None or len(words) <= width else words[: width - 1] + "…"


def identities(data: pd.DataFrame) -> list[str]:
    """Numbers of evaluations for `ids` of a trace: by them a page finds what was clicked."""
    return [str(number) for number in data["number"]]


def rung_color(rung: int, count: int) -> str:
    """The color of a rung of so many; the only one has that of the many."""
    return RUNGS[rung % len(RUNGS)] if count > 1 else MANY


def translucent(color: str, opacity: float = 0.25) -> str:
    """A color for bands, which lets the grid shine through."""
    red, green, blue = hex_to_rgb(color)
    return f"rgba({red},{green},{blue},{opacity})"


def shades(scores: pd.Series, direction: Direction, axis: go.layout.Coloraxis) -> np.ndarray:
    """Which of SHADES colours each score has on a colour axis, 0 for the best; for lines, which have none."""
    best, worst = (axis.cmin, axis.cmax) if direction == "minimize" else (axis.cmax, axis.cmin)
    share = (scores.to_numpy(dtype=float) - best) / ((worst - best) or 1)
    places: np.ndarray = np.clip(share * SHADES, 0, SHADES - 1).astype(int)
    return places


def shaded_line(shade: int, width: float) -> dict[str, Any]:
    """A line in one of SHADES colours. The page repaints it from `meta` for dark screens."""
    colours = {mode: scale(mode, SHADES)[shade] for mode in INK}
    return {"mode": "lines", "line": {"color": colours["light"], "width": width}, "meta": colours}


def with_gaps(values: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Values with a gap before each of these places: many lines drawn as one."""
    filler = np.nan if values.dtype.kind in "if" else ""
    gapped: np.ndarray = np.insert(values.astype(float) if values.dtype.kind in "if" else values, gaps, filler)
    return gapped


def colour_axis(scores: pd.Series, metric: str, direction: Direction, measures: Measures = measure) -> dict[str, Any]:
    """Colours with the median in their middle, the best at the end that stands out."""
    low, high = focus(scores, direction, reach=2) if len(scores) else (0.0, 1.0)
    bar = {"title": {"text": measures(metric).heading, "side": "right"}}
    return {"cmin": low, "cmax": high, "reversescale": direction == "maximize", "colorbar": bar}


@dataclass(frozen=True)
class ColourScale:
    """What the colours of a figure mean, in words, for a page to draw beside it: from the best to the worst."""

    title: str
    best: str
    worst: str


def colour_scale(figure: go.Figure) -> ColourScale | None:
    """None of a figure whose colours are no scores."""
    axis = figure.layout.coloraxis
    if axis.cmin is None:
        return None
    ends = (axis.cmax, axis.cmin) if axis.reversescale else (axis.cmin, axis.cmax)
    best, worst = (format(end, ",.0f" if abs(end) >= 1000 else ".4g") for end in ends)
    return ColourScale(f"{axis.colorbar.title.text}:", best, f"{worst} or worse")


def metric_axis(metric: str, direction: Direction | None = None, measures: Measures = measure) -> dict[str, Any]:
    """Title with unit, for an objective which way is better, and ticks that suit the size of the numbers."""
    aim = {"minimize": " · lower is better", "maximize": " · higher is better", None: ""}[direction]
    return {"title": {"text": measures(metric).heading + aim}, "tickformat": "~s" if METRICS[metric].counted else ""}


def whole_ticks(most: float) -> dict[str, Any]:
    """An axis of whole numbers from 0 to `most`: few get a tick each, as halves would be written as wholes twice."""
    return {"tickformat": ",d"} | ({"dtick": 1} if most < 8 else {})


def metric_name(metric: str) -> str:
    """What a metric is, without its unit: `validation loss`."""
    return METRICS[metric].words


def measured(metric: str, value: float) -> str:
    """A measurement as text: all of a metric with the same decimals, so that columns line up."""
    return format(value, metric_format(metric))


def measurement_in_words(metric: str, figures: str, measures: Measures = measure) -> str:
    """A written measurement with name and unit: `validation loss 2.1043 bits per byte`."""
    known = measures(metric)
    return f"{known.words} {figures} {known.unit}".strip()


def metric_format(metric: str) -> str:
    """How a metric is written; Python and Plotly read this alike."""
    return measure(metric).format


def focus(values: pd.Series, direction: Direction, reach: float = 4) -> tuple[float, float]:
    """The range in which differences among good scores can be seen: from the best to `reach` times as far
    as the median is, or to the worst where that is nearer. A few bad outliers do not flatten the rest.
    """
    sign = 1.0 if direction == "minimize" else -1.0
    scores = np.sort(sign * np.asarray(values, dtype=float))
    best, median, worst = scores[0], float(np.median(scores)), scores[-1]
    limit = min(worst, best + reach * (median - best)) if median > best else worst
    low, high = sorted((sign * best, sign * limit))
    return float(low), float(high)


def padded(low: float, high: float, log: bool = False, share: float = 0.05) -> list[float]:
    """An axis range with room at both ends; exponents of ten if it is logarithmic."""
    low, high = (math.log10(low), math.log10(high)) if log else (low, high)
    room = share * (high - low) or abs(low) * share or share
    return [low - room, high + room]


def span_of_time(seconds: float) -> tuple[str, float]:
    """The unit for an axis that is so long, and its seconds."""
    return ("hours", 3600.0) if seconds > 10_800 else ("minutes", 60.0) if seconds > 180 else ("seconds", 1.0)


def round_values(low: float, high: float) -> list[float]:
    """Three to eight or so round numbers between two ends, evenly by ratio; where these are too near one another for
    two of them, four of as few digits as tell them apart."""
    if low == high:
        return [float(low)]
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        values = [float(f"{step * 10.0**decade:.3g}") for decade in decades for step in steps]
        values = [value for value in values if low * 0.999 <= value <= high * 1.001]
        if len(values) >= 3:
            break
    if len(values) < 2:
        apart = np.geomspace(low, high, 4)
        told = ([float(f"{value:.{digits}g}") for value in apart] for digits in range(2, 16))
        values = next((some for some in told if len({*some}) == len(some)), [float(low)])
    return values
