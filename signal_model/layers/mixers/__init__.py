"""Mixers: how positions exchange information."""

from signal_model.layers.mixers import (
    attention,
    convolution,
    fourier_attention,
    gated_delta,
    gated_linear,
    harmonic,
    selective,
    wavelet,
)
from signal_model.layers.mixers.base import Mixer, State, build_mixer

__all__ = [
    "Mixer",
    "State",
    "attention",
    "build_mixer",
    "convolution",
    "fourier_attention",
    "gated_delta",
    "gated_linear",
    "harmonic",
    "selective",
    "wavelet",
]
