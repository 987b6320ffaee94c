"""A grid of small plots in one figure."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hrfevo.views.figures.style import text

# Heights of a row of plots and of what is above the first, in pixels.
ROW, HEAD = 230, 150


def small_multiples(fig: go.Figure, titles: Sequence[str], columns: int) -> go.Figure:
    """Room in a figure for a plot per title, and the height it then needs."""
    rows = -(-len(titles) // columns)
    fig.update_layout(height=HEAD + ROW * rows)
    return make_subplots(
        rows,
        columns,
        subplot_titles=[text(title) for title in titles],
        figure=fig,
        horizontal_spacing=0.09,
        vertical_spacing=0.3 / max(rows, 2),
    )
