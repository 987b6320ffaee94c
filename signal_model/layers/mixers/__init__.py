"""Mixers: how positions exchange information, causally."""

from signal_model.layers.mixers import attention, harmonic, wavelet
from signal_model.layers.mixers.base import Mixer, State, build_mixer

__all__ = ["Mixer", "State", "attention", "build_mixer", "harmonic", "wavelet"]
