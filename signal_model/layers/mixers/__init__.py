"""Mixers: how positions exchange information, causally."""

from signal_model.layers.mixers import (
    attention,
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
    "fourier_attention",
    "gated_delta",
    "gated_linear",
    "harmonic",
    "selective",
    "wavelet",
]
