"""The wavelets of a mixer: what they look like, and which frequencies its bands let through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from hrfevo.views.figures.model.parts import log_axis
from hrfevo.views.figures.style import BEST, MANY, figure, text

# Each of PyWavelets' refinements halves the distance of the points at which a wavelet is drawn.
REFINEMENTS = 8


def wavelets(families: Sequence[str], levels: int, where: str) -> go.Figure:
    """A row for each family: scaling function and wavelet beside the gain of the bands d_1 … d_J, a_J."""
    fig = figure(
        f"Wavelets of the mixer, {where}",
        f"Left wavelet ψ and scaling function φ of each family, right the gain of its bands: φ's taps smooth {levels} "
        f"times, details are differences between smoothings, a{levels} is the last of them.",
        height=170 + 270 * len(families),
        legend={"traceorder": "normal"},
    )
    make_subplots(len(families), 2, figure=fig, horizontal_spacing=0.1, vertical_spacing=0.24 / max(2, len(families)))
    colours = sample_colorscale("Viridis", np.linspace(0.1, 0.88, levels + 1))
    for row, family in enumerate(families, start=1):
        first = row == 1
        time, scaling, wavelet = functions(family)
        for name, values, colour, dash in (("ψ", wavelet, BEST, "solid"), ("φ", scaling, MANY, "dash")):
            fig.add_scatter(
                x=time,
                y=values,
                mode="lines",
                name=name,
                line={"color": colour, "width": 2, "dash": dash},
                legendgroup=name,
                showlegend=first,
                hovertemplate=f"{name}(%{{x:.2f}}) = %{{y:.3f}}<extra>{text(family)}</extra>",
                row=row,
                col=1,
            )
        frequency, gain = gains(family, levels)
        for level, (values, colour) in enumerate(zip(gain, colours, strict=True), start=1):
            name = f"d{level}" if level <= levels else f"a{levels}"
            fig.add_scatter(
                x=frequency,
                y=values,
                mode="lines",
                name=name,
                line={"color": colour, "width": 2, "dash": "solid" if level <= levels else "dash"},
                legendgroup=name,
                showlegend=first,
                hovertemplate=f"{name}, %{{x:.3g}} cycles per token: %{{y:.3f}}<extra>{text(family)}</extra>",
                row=row,
                col=2,
            )
        fig.update_xaxes(title_text="time, samples of a level", row=row, col=1)
        fig.update_yaxes(title_text=f"{text(family)}: amplitude", row=row, col=1)
        fig.update_xaxes(title_text="frequency, cycles per token", row=row, col=2, **log_axis(frequency[0], 0.5))
        fig.update_yaxes(title_text=f"{text(family)}: gain |H|", rangemode="tozero", row=row, col=2)
    return fig


def functions(wavelet: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, scaling function and wavelet. Of a biorthogonal pair the synthesis side, whose taps the mixer has."""
    import pywt

    *_, scaling, detail, time = pywt.Wavelet(wavelet).wavefun(level=REFINEMENTS)
    return np.asarray(time), np.asarray(scaling), np.asarray(detail)


def gains(wavelet: str, levels: int, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in cycles per token, evenly by ratio, (points,), and the bands' gains there, (levels + 1, points).

    A smoothing by the low-pass filter G at level j has the response G(2^{j-1} f), hence
    D_j(f) = (1 - G(2^{j-1} f)) Π_{i<j} G(2^{i-1} f), and A_J is the product over all levels.
    """
    from signal_model.transforms.atrous import lowpass

    taps = np.array(lowpass(wavelet))
    frequency = np.geomspace(0.5 / 2 ** (levels + 2), 0.5, points)
    passed = np.ones(points, dtype=complex)
    bands = []
    for level in range(levels):
        angle = 2j * np.pi * 2**level * frequency[:, None] * np.arange(len(taps))
        smoother = np.exp(-angle) @ taps
        bands.append(passed * (1 - smoother))
        passed = passed * smoother
    return frequency, np.abs([*bands, passed])
