"""Pictures of what a genome is: the functions, wavelets and filters of its model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from hrfevo.results.genome.costs import costs_by_part, layers_in_words
from hrfevo.views.figures.model.parts import channel_filters, costs, decays, filters, harmonics, spectra, waves
from hrfevo.views.figures.model.wavelets import wavelets
from signal_model.config import (
    AttentionConfig,
    BasisEmbeddingConfig,
    FourierAttentionConfig,
    GatedStateConfig,
    HarmonicConfig,
    HybridEmbeddingConfig,
    LearnedFilterBankConfig,
    SelectiveConfig,
    SignalPositionsConfig,
    SpectralFeedForwardConfig,
    SpectralSettings,
    WaveletConfig,
)
from signal_model.support.errors import counted
from signal_model.support.settings import Part

if TYPE_CHECKING:
    from signal_model.analysis.filters import Filters
    from signal_model.model import SignalClassifier, SignalLLM

Drawn = Iterator[tuple[str, go.Figure]]


def portraits(model: SignalLLM | SignalClassifier, steps: int = 0) -> dict[str, go.Figure]:
    """Figures of a model after so many steps of training, in the order of the data, by what they show.

    What the model does not have is left out; layers with the same settings are drawn once, by the first of them.
    """
    import torch

    when = f"after {counted(steps, 'step')}" if steps else "before training"
    with torch.no_grad():
        drawn = dict([*_embedding(model, when), *_positions(model, when), *_layers(model, when)])
    return drawn | {"costs": costs(costs_by_part(model), model.config.context)}


def _embedding(model: Any, when: str) -> Drawn:
    from signal_model.analysis.embeddings import spectral_part
    from signal_model.layers.embeddings import FactoredEmbedding

    if model.config.classes is not None:
        return
    config = model.config.embedding
    spectral = spectral_part(model)
    module = spectral or model.embedding
    if not isinstance(module, FactoredEmbedding):
        return
    basis = module.basis().double().numpy()
    frequencies = None
    if spectral is not None and isinstance(config, SpectralSettings):
        frequencies = spectral.frequencies.double().numpy()
        low, high = config.frequencies
        kind = f"{counted(config.bases, 'harmonic')} with {config.spacing} spacing from {low:.4g} to {high:.4g} cycles"
        fixed = f"those {when}" if config.learnable_frequencies else "fixed"
        said = f"Each token is a sum of {kind}, each as a sine and a cosine; sines are drawn, frequencies are {fixed}"
        if isinstance(config, HybridEmbeddingConfig):
            said += f", and {1 - config.mixing:.0%} of a token is a free vector at the start"
        names = [f"{frequency:.3g} cycles" for frequency in frequencies]
        rows = basis[: len(frequencies)]
    else:
        assert isinstance(config, BasisEmbeddingConfig)
        kind = {
            "dct": "the first cosines of the DCT",
            "fourier": "a constant, then cosines and sines of whole cycles",
            "wavelet": f"wavelet packets of {config.wavelet}, lowest frequency first",
            "learned": f"learned ones, {when}",
        }[config.functions]
        said = f"Each token is a sum of {counted(config.bases, 'function')}: {kind}"
        names, rows = [f"function {number}" for number in range(1, len(basis) + 1)], basis
    yield "embedding functions", waves(rows, names, "Functions of the embedding", said, "channel")
    yield "embedding coverage", spectra(basis, frequencies, when)


def _positions(model: Any, when: str) -> Drawn:
    config = model.config.positions
    if not isinstance(config, SignalPositionsConfig) or model.positions is None:
        return
    frequencies = model.positions.get_parameter("frequencies").double().numpy() / (2 * np.pi)
    rows = np.sin(2 * np.pi * frequencies[:, None] * np.arange(model.config.sequence_length))
    fixed = f"those {when}" if config.learnable_frequencies else "fixed"
    said = (
        f"Each position adds {counted(config.bases, 'sinusoid')} over the sequence, each as a sine and a cosine with "
        f"weights for every channel; sines are drawn, frequencies are {fixed}"
    )
    names = [f"{frequency:.3g} cycles per token" for frequency in frequencies]
    yield "positions", waves(rows, names, "Signal of the positions", said, "position, tokens")


def _layers(model: Any, when: str) -> Drawn:
    from signal_model.analysis.filters import sequence_filters

    found = sequence_filters(model)
    layers = [layer for layer, _ in model.config.blocks]
    for part, parts in (
        ("filter_bank", [layer.filter_bank for layer in layers]),
        ("mixer", [layer.mixer for layer in layers]),
        ("feedforward", [layer.feedforward for layer in layers]),
    ):
        for config, numbers in _alike(parts):
            of_part = [one for one in found if one.module.startswith(f"blocks.{numbers[0] - 1}.{part}")]
            for name, figure in _part(model, config, numbers, of_part, when):
                yield f"{name}, {layers_in_words(numbers)}", figure


def _alike(parts: Sequence[Part]) -> list[tuple[Part, list[int]]]:
    """Each setting once, with the numbers of the layers that have it, from 1."""
    found: list[tuple[Part, list[int]]] = []
    for number, part in enumerate(parts, start=1):
        same = next((numbers for other, numbers in found if other == part), None)
        if same is None:
            found.append((part, [number]))
        else:
            same.append(number)
    return found


def _part(model: Any, config: Part, numbers: list[int], found: list[Filters], when: str) -> Drawn:
    where = layers_in_words(numbers)
    some = f"in some channels of layer {numbers[0]} {when}"
    if isinstance(config, LearnedFilterBankConfig):
        scales = f"at each of {config.scales} scales" if config.scales > 1 else "at one scale"
        said = (
            f"Some of {counted(config.filters, 'filter')} of {config.taps} taps {scales}, shared by all "
            f"channels and weighted by each token, in layer {numbers[0]} {when}"
        )
        yield "filter bank", filters(found, f"Filter bank, {where}", said)
    if isinstance(config, HarmonicConfig):
        yield "harmonics", harmonics(*_harmonics(model, numbers[0]), where, when)
        kernels = [one for one in found if one.name == "kernel"]
        said = f"Sums of the damped harmonics, {some}"
        yield "kernels", filters(kernels, f"Kernels of the harmonic mixer, {where}", said)
    if isinstance(config, WaveletConfig):
        yield "wavelets", wavelets(config.families, config.levels, where)
        if config.taps > 1:
            taps = [one for one in found if one.origin == "learned"]
            said = f"The {config.taps} taps that each band passes, {some}"
            yield "band filters", filters(taps, f"Filters of the wavelet bands, {where}", said)
    if isinstance(config, FourierAttentionConfig):
        yield "decays", decays(_decay_times(model, numbers[0]), model.config.sequence_length, where, when)
    filtered = HarmonicConfig | SelectiveConfig | GatedStateConfig | AttentionConfig
    if isinstance(config, filtered) and config.short_convolution > 1:
        short = [one for one in found if one.name == "short"]
        said = f"{config.short_convolution} taps on queries, keys and values, {some}"
        yield "short convolution", filters(short, f"Short convolution, {where}", said)
    if isinstance(config, SpectralFeedForwardConfig):
        yield "spectral feed-forward", channel_filters(model, numbers, when)


def _harmonics(model: SignalLLM, layer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all heads (H, B): frequencies in cycles per token, decay times in tokens, and energies of the kernels'
    shares, summed over channels; those of a head add up to 1."""
    mixer = model.blocks[layer - 1].get_submodule("mixer")
    frequencies: np.ndarray = mixer.get_parameter("log_frequency").double().exp().numpy() / (2 * np.pi)
    timescales: np.ndarray = (-mixer.get_parameter("log_decay").double()).exp().numpy()
    bases = frequencies.shape[1]
    # g² Σ_t e^{-2λt} is 1 for every decay: what a harmonic has of a kernel's energy is in its coefficients alone.
    energy: np.ndarray = (
        mixer.get_parameter("coefficients").double().square().sum(1).unflatten(-1, (-1, bases)).sum(1).numpy()
    )
    # A kernel of zeros has no energy to share.
    return frequencies, timescales, energy / np.maximum(energy.sum(-1, keepdims=True), np.finfo(float).tiny)


def _decay_times(model: SignalLLM, layer: int) -> np.ndarray:
    """Decay times of all heads of Fourier attention, in tokens."""
    log_decay = model.blocks[layer - 1].get_submodule("mixer").get_parameter("log_decay")
    times: np.ndarray = (-log_decay.double()).exp().numpy()
    return times
