"""Plotly figures of the frames. Every axis says what it shows and in which unit."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from signal_model.analysis.costs import place_name
from signal_model.support.style import Mode, base_layout, text

# After Okabe & Ito (2008), without yellow: colour-blind readers can tell the first ones apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B07D00", "#808080", "#8A63D2", "#2E8B9A", "#A0522D")
KIND_COLOURS = {
    "matrix product": "#808080",
    "attention": "#56B4E9",
    "Fourier transform": "#D55E00",
    "complex product": "#B07D00",
    "wavelet filter": "#009E73",
    "convolution": "#0072B2",
    "elementwise": "#CC79A7",
    "function": "#8A63D2",
    "reduction": "#2E8B9A",
    "data movement": "#A0522D",
}


@cache
def template(mode: Mode = "light") -> go.layout.Template:
    """What all figures share, on a transparent background; each takes a copy of its own."""
    own = {"colorway": COLOURS, "margin": {"l": 8, "r": 12, "t": 40, "b": 8}}
    return go.layout.Template(layout=base_layout(mode) | own)


def shares_by_kind(kinds: pd.DataFrame) -> go.Figure:
    """Shares of operations and of time by kind of operation; `kinds` is a `kind_frame`."""
    rows = kinds[(kinds["share"] > 0) | (kinds["time_share"] > 0)].iloc[::-1]
    names = [f"{kind} ★" if spectral else kind for kind, spectral in zip(rows["kind"], rows["spectral"], strict=True)]
    shown = {"floating-point operations": "share", "time": "time_share"}
    return _bars(names, {name: rows[column] for name, column in shown.items()}, "share of a forward pass, %")


def shares_by_component(components: pd.DataFrame) -> go.Figure:
    """Shares of parameters, operations and time by part of the model; a `component_frame`."""
    rows = components.iloc[::-1]
    shown = {"parameters": "parameter_share", "floating-point operations": "share", "time": "time_share"}
    return _bars(_place_names(rows), {name: rows[column] for name, column in shown.items()}, "share of the model, %")


def operations_by_component(costs: pd.DataFrame, components: pd.DataFrame) -> go.Figure:
    """Operations per token of each part, by kind: a `cost_frame`, of which the forward pass is drawn, and a
    `component_frame`, whose order the parts have."""
    forward = costs[(costs["direction"] == "forward") & (costs["flops"] > 0)]
    figure = _figure(xaxis={"title": {"text": "operations per token, forward"}, "tickformat": "~s"}, barmode="stack")
    names = forward.assign(name=_place_names(forward))
    order = _place_names(components)[::-1]
    for kind, colour in KIND_COLOURS.items():
        part = names[names["kind"] == kind].groupby("name")["flops"].sum()
        if len(part):
            hover = f"%{{y}}: %{{x:,.0f}} of {kind}<extra></extra>"
            figure.add_bar(y=part.index, x=part, name=kind, orientation="h", marker_color=colour, hovertemplate=hover)
    figure.update_yaxes(categoryorder="array", categoryarray=order)
    return figure.update_layout(height=130 + 24 * len(order), legend_traceorder="normal")


def embedding_spectrum(spectrum: pd.DataFrame) -> go.Figure:
    """Mean power of tokens over frequency; a `spectrum_frame`."""
    figure = _figure(
        xaxis={"title": {"text": "frequency, cycles across the channels"}},
        yaxis={"title": {"text": "power of a token's vector"}, "type": "log", "dtick": 1, "exponentformat": "power"},
    )
    _line(
        figure, spectrum["cycles"], spectrum["power"], spectrum["low"], spectrum["high"], "mean over tokens", COLOURS[0]
    )
    return figure


def token_spectra(spectra: pd.DataFrame) -> go.Figure:
    """Share of each token's energy at each frequency; a `token_spectrum_frame`."""
    table = spectra.pivot(index="token", columns="cycles", values="share")
    figure = _figure(
        xaxis={"title": {"text": "frequency, cycles across the channels"}}, yaxis={"title": {"text": "token number"}}
    )
    # Single cells far above the rest would leave everything else dark.
    top = float(np.quantile(table.to_numpy(), 0.995)) * 100
    hover = "token %{y}, %{x} cycles: %{z:.2f} %<extra></extra>"
    bar = _colour_bar("share of the token's energy, %")
    heat = {"zmin": 0, "zmax": top, "colorscale": "Cividis", "colorbar": bar, "hovertemplate": hover}
    return figure.add_heatmap(x=table.columns, y=table.index, z=table.to_numpy() * 100, **heat)


def singular_values(values: pd.DataFrame) -> go.Figure:
    """Singular values of the embedding and the energy in the largest of them; a `singular_value_frame`."""
    figure = _panels(["singular value", "energy in the largest, %"])
    figure.add_scatter(x=values["index"], y=values["value"], mode="lines+markers", marker_size=4, row=1, col=1)
    figure.add_scatter(x=values["index"], y=values["energy"] * 100, mode="lines+markers", marker_size=4, row=1, col=2)
    figure.update_traces(line_color=COLOURS[0], showlegend=False)
    return figure.update_xaxes(title_text="number, largest first").update_yaxes(rangemode="tozero")


def amplitudes_and_phases(harmonics: pd.DataFrame) -> go.Figure:
    """Amplitude of each harmonic, and how the phases of tokens lie; a `harmonic_frame`."""
    figure = _panels(["amplitude", "phase, radians"])
    once = harmonics.drop_duplicates("harmonic").sort_values("frequency")
    _line(figure, once["frequency"], once["amplitude"], once["low"], once["high"], "mean over tokens", COLOURS[0], 1)
    table = harmonics.pivot(index="phase", columns="harmonic", values="tokens") * 100
    heat = {"zmin": 0, "colorscale": "Cividis", "colorbar": _colour_bar("tokens, %")}
    hover = "harmonic %{x}, phase %{y:.2f}: %{z:.1f} % of tokens<extra></extra>"
    figure.add_heatmap(x=table.columns, y=table.index, z=table.to_numpy(), hovertemplate=hover, row=1, col=2, **heat)
    figure.update_xaxes(title_text="frequency, cycles across the channels", row=1, col=1)
    figure.update_xaxes(title_text="number of the harmonic", row=1, col=2)
    return figure.update_yaxes(rangemode="tozero", row=1, col=1)


def sequence_filters(impulses: pd.DataFrame, responses: pd.DataFrame) -> go.Figure:
    """Impulse responses of some channels and the gain over frequency of all; frames of one group of filters."""
    figure = _panels(["impulse response", "gain |H|, dB"])
    for number, (name, response) in enumerate(responses.groupby("filter", sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        of_name = impulses[impulses["filter"] == name]
        for index, (_, channel) in enumerate(of_name.groupby("channel")):
            figure.add_scatter(
                x=channel["lag"],
                y=channel["value"],
                mode="lines+markers" if len(channel) <= 16 else "lines",
                marker_size=4,
                line={"color": colour, "width": 1},
                opacity=0.9 if index == 0 else 0.4,
                legendgroup=name,
                showlegend=False,
                hovertemplate=f"{text(name)}, lag %{{x}}: %{{y:.4f}}<extra></extra>",
                row=1,
                col=1,
            )
        middle, low, high = (20 * np.log10(response[column].clip(lower=1e-5)) for column in ("gain", "low", "high"))
        _line(figure, response["frequency"], middle, low, high, text(name), colour, 2, number < 3)
    figure.update_xaxes(title_text="lag, tokens", row=1, col=1)
    figure.update_xaxes(title_text="frequency, cycles per token", row=1, col=2)
    # Zeros of filters reach down without end.
    bottom, top = (20 * np.log10(max(1e-5, value)) for value in (responses["low"].min(), responses["high"].max()))
    return figure.update_yaxes(range=[max(bottom, top - 60) - 5, top + 5], row=1, col=2)


def channel_filters(filters: pd.DataFrame) -> go.Figure:
    """Gain of the feed-forwards' spectral filters; a `channel_filter_frame`."""
    figure = _figure(
        xaxis={"title": {"text": "frequency, cycles across the channels"}},
        yaxis={"title": {"text": "gain |W|"}, "rangemode": "tozero"},
    )
    for layer, rows in filters.groupby("layer"):
        name = f"block {layer}, share α {rows['mixing'].iloc[0]:.2f}"
        figure.add_scatter(x=rows["cycles"], y=rows["gain"], mode="lines", name=name)
    return figure


def energies_by_scale(energies: pd.DataFrame) -> go.Figure:
    """Share of each band in each stream; an `energy_frame`."""
    figure = _figure(xaxis={"title": {"text": "share of the energies of all bands, %"}}, barmode="stack")
    bands = list(dict.fromkeys(energies["band"]))
    shades = _sequential(len(bands))
    for band, colour in zip(bands, shades, strict=True):
        rows = energies[energies["band"] == band]
        first = rows.iloc[0]
        until = "and longer" if np.isinf(first["period_to"]) else f"to {first['period_to']:.0f}"
        name = f"{band}: {first['period_from']:.0f} {until}"
        hover = f"%{{y}}, {band}: %{{x:.1f}} %<extra></extra>"
        figure.add_bar(
            y=rows["stream"].map(text), x=rows["share"] * 100, name=name, orientation="h", marker_color=colour,
            hovertemplate=hover,
        )  # fmt: skip
    streams = energies["stream"].nunique()
    figure.update_yaxes(autorange="reversed", title_text="residual stream after")
    legend = {"title": {"text": "band: periods in tokens  "}, "traceorder": "normal"}
    return figure.update_layout(height=150 + 28 * streams, legend=legend)


# --- parts of figures ---------------------------------------------------------------------------------


def _figure(**layout: Any) -> go.Figure:
    return go.Figure(layout={"template": template(), "height": 380, **layout})


def _panels(titles: list[str]) -> go.Figure:
    """Two panels side by side, with what their y axes show."""
    # Into a figure of ours: one that Plotly makes has its own template, which ours would only be laid over.
    figure = make_subplots(rows=1, cols=len(titles), figure=_figure(), horizontal_spacing=0.11)
    for column, title in enumerate(titles, start=1):
        figure.update_yaxes(title_text=title, row=1, col=column)
    return figure


def _bars(names: list[str], series: dict[str, pd.Series], title: str) -> go.Figure:
    """Horizontal bars side by side; the first series at the top of each group and of the legend."""
    figure = _figure(xaxis={"title": {"text": title}}, barmode="group", bargap=0.3)
    for name, colour in reversed(list(zip(series, COLOURS, strict=False))):
        hover = f"%{{y}}: %{{x:.2f}} % of {name}<extra></extra>"
        figure.add_bar(
            y=names, x=series[name] * 100, name=name, orientation="h", marker_color=colour, hovertemplate=hover
        )
    figure.update_layout(legend_traceorder="reversed", height=110 + (14 * len(series) + 14) * len(names))
    return figure


def _line(
    figure: go.Figure,
    x: Any,
    middle: Any,
    low: Any,
    high: Any,
    name: str,
    colour: str,
    column: int = 0,
    band: bool = True,
) -> None:
    """A line with a band around it."""
    where = {"row": 1, "col": column} if column else {}
    if band:
        shade = "rgba({}, {}, {}, 0.2)".format(*(int(colour[start : start + 2], 16) for start in (1, 3, 5)))
        edges = {"x": np.concatenate([x, x[::-1]]), "y": np.concatenate([high, low[::-1]])}
        look = {"fill": "toself", "fillcolor": shade, "line": {"width": 0}, "mode": "lines"}
        figure.add_scatter(**edges, **look, legendgroup=name, showlegend=False, hoverinfo="skip", **where)
    figure.add_scatter(
        x=x, y=middle, mode="lines", name=name, line={"color": colour, "width": 2}, legendgroup=name, **where
    )


def _colour_bar(title: str) -> dict[str, Any]:
    size = {"size": 12}
    return {
        "title": {"text": title, "side": "right", "font": size},
        "tickfont": size,
        "outlinewidth": 0,
        "thickness": 12,
    }


def _place_names(frame: pd.DataFrame) -> list[str]:
    columns = (frame["component"], frame["layer"], frame["part"])
    return [place_name(*place) for place in zip(*columns, strict=True)]


def _sequential(count: int) -> list[str]:
    """Colours from fast to slow, none of them lost on white or on dark."""
    from plotly.colors import sample_colorscale

    return [str(colour) for colour in sample_colorscale("Viridis", np.linspace(0.15, 0.9, count))]
