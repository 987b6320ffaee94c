"""Spectra of embeddings: each token's vector as a signal over the channels."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from signal_model.layers.embeddings import HybridEmbedding, SpectralEmbedding
from signal_model.model import SignalLLM

LOW, HIGH = 0.1, 0.9  # the band that frames and figures give around a median


@torch.no_grad()
def embedding_vectors(model: SignalLLM) -> Tensor:
    """E, (V, D) in float64: every token's vector as the first block's normalisation gets it."""
    device = next(model.parameters()).device
    vectors: Tensor = model.embedding(torch.arange(model.config.vocab_size, device=device)[None])[0]
    return vectors.double().cpu()


def power_spectrum(vectors: Tensor) -> Tensor:
    """Power over 0, 1, … D/2 cycles across the channels: (V, D) → (V, D // 2 + 1).

    One-sided: the powers of a vector sum to its energy Σ_d E_d² (Parseval).
    """
    width = vectors.shape[-1]
    power: Tensor = torch.fft.rfft(vectors, norm="ortho").abs().square()
    power[..., 1 : (width + 1) // 2] *= 2  # neither the constant nor, for even widths, the highest has a mirror image
    return power


def spectrum_frame(model: SignalLLM) -> pd.DataFrame:
    """One row per frequency over all tokens: `cycles` across the channels, `power` (mean), `low` and `high`
    (10th and 90th percentile of tokens), `share` of the mean energy of a token's vector."""
    power = power_spectrum(embedding_vectors(model)).numpy()
    mean = power.mean(0)
    low, high = np.quantile(power, [LOW, HIGH], axis=0)
    return pd.DataFrame(
        {"cycles": np.arange(power.shape[1]), "power": mean, "low": low, "high": high, "share": mean / mean.sum()}
    )


def token_spectrum_frame(model: SignalLLM, most: int = 256) -> pd.DataFrame:
    """One row per token and frequency: `token`, `cycles`, `power`, `share` of the token's energy; at most
    `most` tokens, evenly spread over the vocabulary."""
    vocabulary = model.config.vocab_size
    tokens = np.unique(np.linspace(0, vocabulary - 1, min(most, vocabulary)).round().astype(int))
    power = power_spectrum(embedding_vectors(model)[tokens]).numpy()
    count, frequencies = power.shape
    return pd.DataFrame(
        {
            "token": np.repeat(tokens, frequencies),
            "cycles": np.tile(np.arange(frequencies), count),
            "power": power.ravel(),
            "share": (power / np.maximum(power.sum(1, keepdims=True), np.finfo(float).tiny)).ravel(),
        }
    )


def singular_value_frame(model: SignalLLM) -> pd.DataFrame:
    """Singular values of E, largest first: `index` from 1; `value`; `energy`, the share of Σ_vd E² up to here."""
    values = torch.linalg.svdvals(embedding_vectors(model)).numpy()
    energy = np.cumsum(values**2)
    return pd.DataFrame({"index": np.arange(1, len(values) + 1), "value": values, "energy": energy / energy[-1]})


def spectral_part(model: SignalLLM) -> SpectralEmbedding | None:
    """The model's spectral embedding, the spectral part of its hybrid one, or None."""
    embedding = model.embedding
    if isinstance(embedding, HybridEmbedding):
        return embedding.spectral
    return embedding if isinstance(embedding, SpectralEmbedding) else None


@torch.no_grad()
def harmonic_frame(embedding: SpectralEmbedding, phases: int = 24) -> pd.DataFrame:
    """One row per harmonic and bin of phase: `harmonic` from 0; `frequency`, cycles across the channels;
    `amplitude`, the mean over tokens, with `low` and `high`, its 10th and 90th percentiles; `phase`, the
    middle of the bin in radians between -π and π; `tokens`, the share of tokens whose phase is in it."""
    frequency = embedding.frequencies.double().cpu().numpy()
    amplitude = embedding.amplitudes.double().cpu().numpy()
    phase = embedding.phases.double().cpu().numpy()
    edges = np.linspace(-math.pi, math.pi, phases + 1)
    counts = np.stack([np.histogram(column, edges)[0] for column in phase.T]) / len(phase)  # (B, bins)
    low, high = np.quantile(amplitude, [LOW, HIGH], axis=0)
    per_harmonic = {
        "harmonic": np.arange(len(frequency)),
        "frequency": frequency,
        "amplitude": amplitude.mean(0),
        "low": low,
        "high": high,
    }
    return pd.DataFrame(
        {name: np.repeat(values, phases) for name, values in per_harmonic.items()}
        | {"phase": np.tile((edges[1:] + edges[:-1]) / 2, len(frequency)), "tokens": counts.ravel()}
    )
