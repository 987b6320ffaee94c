"""Figures of a model's parts: functions, spectra, filters, decays, costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from hrfevo.results.genome.costs import PartCost, layers_in_words
from hrfevo.views.figures.style import BEST, MANY, OTHER, figure, padded, round_values, text
from signal_model.support.errors import counted, listed

if TYPE_CHECKING:
    from signal_model.analysis.filters import Filters
    from signal_model.model import SignalLLM

# More waves than these would lie on one another.
MOST_WAVES = 8


def evenly(count: int, most: int) -> np.ndarray:
    """At most `most` of the numbers 0 … count - 1, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def log_axis(low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis with a few round numbers on it, also where it spans less than a decade."""
    ticks = round_values(low, high)
    return {
        "type": "log",
        "range": padded(low, high, log=True),
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def waves(rows: np.ndarray, names: Sequence[str], title: str, caption: str, axis: str) -> go.Figure:
    """Some of the functions (K, N), one above the other, the first at the top; all to one scale."""
    chosen = evenly(len(rows), MOST_WAVES)
    some = "" if len(chosen) == len(rows) else f" ({len(chosen)} of {len(rows)} drawn)"
    fig = figure(
        title,
        f"{caption}{some}.",
        xaxis={"title": {"text": axis}},
        yaxis={
            "title": {"text": "amplitude, to one scale"},
            "tickvals": np.arange(0, -len(chosen), -1),
            "ticktext": [text(names[index]) for index in chosen],
        },
        showlegend=False,
        height=160 + 46 * len(chosen),
    )
    largest = np.abs(rows[chosen]).max() or 1.0
    for place, index in enumerate(chosen):
        fig.add_scatter(
            x=np.arange(rows.shape[1]),
            y=-place + 0.45 * rows[index] / largest,
            customdata=rows[index],
            mode="lines",
            name=text(names[index]),
            line={"color": MANY, "width": 1.8},
            hovertemplate=f"{text(names[index])} at %{{x}}: %{{customdata:.3f}}<extra></extra>",
        )
    return fig


def spectra(basis: np.ndarray, frequencies: np.ndarray | None, when: str) -> go.Figure:
    """Which frequencies across the channels the functions (K, D) reach: all together, and each by itself.

    With `frequencies` the functions are the sines, then the cosines, of harmonics, which are taken together.
    """
    import torch

    from signal_model.analysis.embeddings import power_spectrum

    power = power_spectrum(torch.from_numpy(basis)).numpy()
    if frequencies is not None:
        power = power[: len(frequencies)] + power[len(frequencies) :]
    total = power.sum(0) / power.sum()
    reached = 1 + int((np.sort(total)[::-1].cumsum() < 0.9).sum())
    one = "function" if frequencies is None else "harmonic"
    fig = figure(
        "Frequencies that the embedding covers",
        f"Nine tenths of the energy of all {len(power)} {one}s lie at {reached} of {len(total)} frequencies"
        + (f"; ticks below mark where the harmonics are, {when}." if frequencies is not None else "."),
        height=400,
        showlegend=False,
    )
    make_subplots(1, 2, figure=fig, horizontal_spacing=0.13)
    fig.add_scatter(
        x=np.arange(len(total)),
        y=total * 100,
        mode="lines",
        fill="tozeroy",
        line={"color": MANY, "width": 2},
        hovertemplate="%{x} cycles: %{y:.2f} %<extra></extra>",
        name="all functions",
        row=1,
        col=1,
    )
    if frequencies is not None:
        fig.add_scatter(
            x=frequencies,
            y=np.full(len(frequencies), -0.04 * total.max() * 100),
            mode="markers",
            marker={"symbol": "line-ns", "size": 9, "line": {"color": BEST, "width": 1.5}},
            hovertemplate="harmonic of %{x:.3g} cycles<extra></extra>",
            name="harmonics",
            row=1,
            col=1,
        )
    shares = power / np.maximum(power.sum(1, keepdims=True), np.finfo(float).tiny)
    size = {"size": 12}
    title = {"text": "share of its energy, %", "side": "right", "font": size}
    bar = {"title": title, "tickfont": size, "outlinewidth": 0, "thickness": 12}
    fig.add_heatmap(
        z=shares * 100,
        y=np.arange(1, len(power) + 1),
        colorscale="Cividis",
        zmin=0,
        colorbar=bar,
        hovertemplate=f"{one} %{{y}}, %{{x}} cycles: %{{z:.1f}} %<extra></extra>",
        name=f"each {one}",
        row=1,
        col=2,
    )
    fig.update_xaxes(title_text="frequency, cycles across the channels")
    fig.update_yaxes(title_text="share of the energy of all, %", row=1, col=1)
    return fig.update_yaxes(title_text=f"number of the {one}", row=1, col=2)


def filters(found: Sequence[Filters], title: str, what: str) -> go.Figure:
    """Impulse responses of some channels and the gain over frequency of all; lags and periods that stand out."""
    from signal_model.analysis.figures import sequence_filters
    from signal_model.analysis.filters import impulse_frame, peaks, response_frame

    fig = sequence_filters(impulse_frame(list(found)), response_frame(list(found)))
    lags, periods = peaks(list(found))
    for lag in lags:
        fig.add_vline(lag, row=1, col=1, **_marked(f"lag {lag}"))
    for period in periods:
        fig.add_vline(1 / period, row=1, col=2, **_marked(f"period {period:.3g}"))
    said = f"{what}; right the median gain of all and its 10th to 90th percentile"
    if lags:
        ahead = listed([str(lag + 1) for lag in lags])
        said += f"; left stands out {places_in_words(lags, 'lag')}, {ahead} tokens before the one that is predicted"
    if periods:
        said += f"; gain stands out at {places_in_words(periods, 'period')} tokens"
    head = figure(text(title), f"{said}.").layout
    return fig.update_layout(title=head.title, template=head.template, showlegend=len(found) > 1, height=400)


def _marked(name: str) -> dict[str, Any]:
    return {"line": {"color": BEST, "width": 1, "dash": "dot"}, "annotation_text": name}


def places_in_words(values: Sequence[float], noun: str) -> str:
    """`lag 40`, `periods 7 and 3.5`."""
    told = [f"{value:.3g}" for value in values]
    return f"{noun}{'s' if len(told) > 1 else ''} {listed(told)}"


# A harmonic of more than so many times its equal share of the kernels' energy is named, the strongest first.
STANDS_OUT, MOST_NAMED = 2.0, 3


def harmonics(
    frequencies: np.ndarray, timescales: np.ndarray, energies: np.ndarray, where: str, when: str
) -> go.Figure:
    """Each damped harmonic of all heads (H, B) as a point: how fast it turns, how long it lasts, its energy."""
    heads, bases = frequencies.shape
    shared = "" if heads == 1 else f" in each of {heads} heads"
    order = np.argsort(-energies.ravel())
    strong = [index for index in order if energies.ravel()[index] > STANDS_OUT / bases][:MOST_NAMED]
    periods = [1 / float(frequencies.ravel()[index]) for index in strong]
    used = f"; kernels have most at {places_in_words(periods, 'period')} tokens" if periods else ""
    fig = figure(
        f"Harmonics of the mixer, {text(where)}",
        f"{counted(bases, 'damped harmonic')}{shared}, which last from {timescales.min():.4g} to "
        f"{timescales.max():.4g} tokens {when}; areas are shares of the energy of the kernels{used}.",
        xaxis={"title": {"text": "frequency, cycles per token"}} | log_axis(frequencies.min(), frequencies.max()),
        yaxis={"title": {"text": "decay time, tokens"}} | log_axis(timescales.min(), timescales.max()),
        showlegend=False,
        height=380,
    )
    fig.add_scatter(
        x=frequencies.ravel(),
        y=timescales.ravel(),
        customdata=np.stack([1 / frequencies.ravel(), energies.ravel()], axis=1),
        mode="markers",
        marker={"color": MANY, "size": 5 + 9 * np.sqrt(energies.ravel() * bases), "opacity": 0.75},
        hovertemplate="period %{customdata[0]:.3g} tokens (%{x:.3g} cycles per token) for %{y:.3g} tokens, "
        "%{customdata[1]:.1%} of the energy<extra></extra>",
        name="harmonics",
    )
    for index in strong:
        x, y = np.log10(frequencies.ravel()[index]), np.log10(timescales.ravel()[index])
        fig.add_annotation(x=x, y=y, text=f"period {1 / frequencies.ravel()[index]:.3g}", yshift=14, showarrow=False)
    return fig


def decays(timescales: np.ndarray, context: int, where: str, when: str) -> go.Figure:
    """How fast each head of Fourier attention forgets queries and keys."""
    fig = figure(
        f"Decays of Fourier attention, {text(where)}",
        f"How much queries and keys of each head weigh by their place, with decay times from {timescales.min():.4g} to "
        f"{timescales.max():.4g} tokens {when}.",
        xaxis={"title": {"text": "place in the sequence, tokens"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "weight"}, "rangemode": "tozero"},
        height=380,
        legend={"traceorder": "normal"},
    )
    chosen = evenly(len(timescales), MOST_WAVES)
    for head, colour in zip(chosen, sample_colorscale("Viridis", np.linspace(0.1, 0.88, len(chosen))), strict=True):
        fig.add_scatter(
            x=(time := np.arange(context)),
            y=np.exp(-time / timescales[head]),
            mode="lines",
            name=f"head {head + 1}: {timescales[head]:.3g} tokens",
            showlegend=True,
            line={"color": colour, "width": 2},
        )
    return fig


def channel_filters(model: SignalLLM, layers: Sequence[int], when: str) -> go.Figure:
    """Gain of a feed-forward's spectral filter over frequency across the channels."""
    from signal_model.analysis.filters import channel_filter_frame

    rows = channel_filter_frame(model).query(f"layer == {layers[0] - 1}")
    share = float(rows["mixing"].iloc[0])
    fig = figure(
        f"Spectral filter along the channels, {layers_in_words(layers)}",
        f"As it is {when} (layer {layers[0]} is drawn), with a share of {share:.0%} in the output.",
        xaxis={"title": {"text": "frequency, cycles across the channels"}},
        yaxis={"title": {"text": "gain |W|"}, "rangemode": "tozero"},
        showlegend=False,
        height=340,
    )
    hover = "%{x} cycles: %{y:.3f}<extra></extra>"
    line = {"color": OTHER, "width": 2}
    return fig.add_scatter(x=rows["cycles"], y=rows["gain"], mode="lines", line=line, hovertemplate=hover)


def costs(parts: Sequence[PartCost], context: int) -> go.Figure:
    """Parameters and operations of every part as bars."""
    shown = [part for part in reversed(parts) if part.parameters or part.flops_per_token]
    parameters, flops = sum(p.parameters for p in parts), sum(p.flops_per_token for p in parts)
    most = max(parts, key=lambda part: part.flops_per_token)
    fig = figure(
        "Parameters and operations by part",
        f"{parameters:,} trained parameters, {flops:,.0f} forward operations per token over {context:,} tokens, the "
        f"largest share in {most.name} ({most.flops_per_token / flops:.0%}).",
        showlegend=False,
        height=190 + 30 * len(shown),
    )
    make_subplots(1, 2, figure=fig, shared_yaxes=True, horizontal_spacing=0.06)
    sides: list[tuple[str, list[float], float, str]] = [
        ("trained parameters", [part.parameters for part in shown], parameters, MANY),
        ("forward operations per token", [part.flops_per_token for part in shown], flops, BEST),
    ]
    for column, (unit, values, total, colour) in enumerate(sides, start=1):
        fig.add_bar(
            x=values,
            y=[text(part.name) for part in shown],
            orientation="h",
            name=unit,
            marker={"color": colour},
            text=[f"{value / total:.1%}" if value else "" for value in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}: %{{x:,.0f}} {unit}<extra></extra>",
            row=1,
            col=column,
        )
        fig.update_xaxes(title_text=unit, tickformat="~s", range=[0, 1.18 * max(values)], row=1, col=column)
    return fig
