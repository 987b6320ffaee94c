"""All that can be said about one model: the frames by name, the page, the tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from signal_model.analysis import figures
from signal_model.analysis.activations import activations, deepest_level, energy_frame, residual_stream
from signal_model.analysis.costs import (
    SPECTRAL,
    ModelCost,
    component_frame,
    cost_frame,
    kind_frame,
    measure_cost,
    parameter_frame,
    place_name,
)
from signal_model.analysis.embeddings import (
    harmonic_frame,
    singular_value_frame,
    spectral_part,
    spectrum_frame,
    token_spectrum_frame,
)
from signal_model.analysis.filters import LEARNED, channel_filter_frame, impulse_frame, response_frame, sequence_filters
from signal_model.analysis.page import Section, Table, render
from signal_model.model import SignalClassifier, SignalLLM
from signal_model.support.files import write_atomically

WAVELET = "db2"


@dataclass(frozen=True)
class Analysis:
    """Everything measured of one model."""

    cost: ModelCost
    frames: dict[str, pd.DataFrame]
    """By name: costs, parameters, components, kinds; where the model has them, embedding_spectrum, token_spectra,
    singular_values, harmonics, impulse_responses, frequency_responses, channel_filters; with a text, energies."""
    device: str
    windows: int
    """Windows of text whose activations were decomposed."""


def analyze(model: SignalLLM | SignalClassifier, windows: np.ndarray | None = None, backward: bool = False) -> Analysis:
    """Measure costs and spectra; with windows of tokens (N, T), what activations do too."""
    cost = measure_cost(model, backward)
    filters = sequence_filters(model)
    frames = {
        "costs": cost_frame(cost),
        "parameters": parameter_frame(cost),
        "components": component_frame(cost),
        "kinds": kind_frame(cost),
        "impulse_responses": impulse_frame(filters),
        "frequency_responses": response_frame(filters),
        "channel_filters": channel_filter_frame(model),
    }
    if isinstance(model, SignalLLM):
        frames |= {
            "embedding_spectrum": spectrum_frame(model),
            "token_spectra": token_spectrum_frame(model),
            "singular_values": singular_value_frame(model),
        }
        if (spectral := spectral_part(model)) is not None:
            frames["harmonics"] = harmonic_frame(spectral)
    if windows is not None:
        frames["energies"] = energy_frame(activations(model, windows, residual_stream(model)), WAVELET)
    present = {name: frame for name, frame in frames.items() if len(frame)}
    device = str(next(model.parameters()).device)
    return Analysis(cost, present, device, 0 if windows is None else len(windows))


def headline(analysis: Analysis) -> str:
    """The one number and how it is counted."""
    kinds = ", ".join(SPECTRAL)
    cost = analysis.cost
    said = f"{cost.spectral_share:.1%} of floating-point operations are spectral ({kinds})"
    if cost.uncounted:
        left = ", ".join(f"{name} ({count:,} elements)" for name, count in sorted(cost.uncounted.items()))
        said += f"; not counted, for want of a rule: {left}"
    return said


def kind_table(analysis: Analysis) -> Table:
    """Shares by kind of operation; ★ marks those that count as spectral."""
    kinds = analysis.frames["kinds"]
    names = [f"{kind} ★" if spectral else kind for kind, spectral in zip(kinds["kind"], kinds["spectral"], strict=True)]
    columns = {"FLOPs per token": kinds["flops"], "FLOPs": kinds["share"], "time": kinds["time_share"]}
    return _summed_table("kind of operation", names, columns, shares=("FLOPs", "time"))


def component_table(analysis: Analysis, by_block: bool) -> Table:
    """Shares by part of the model; parts of the same kind in several blocks in one row, unless `by_block`."""
    parts = analysis.frames["components"]
    layers = parts["layer"] if by_block else [pd.NA] * len(parts)
    names = [place_name(*place) for place in zip(parts["component"], layers, parts["part"], strict=True)]
    if not by_block:
        groups = parts.assign(name=names).groupby("name", sort=False)
        counts, parts = groups["layer"].nunique(), groups.sum(numeric_only=True)
        names = [str(name) if blocks < 2 else f"{name}, {blocks} blocks" for name, blocks in counts.items()]
    columns = {
        "parameters": parts["parameters"],
        "of all": parts["parameter_share"],
        "FLOPs per token": parts["flops"],
        "FLOPs": parts["share"],
        "time": parts["time_share"],
    }
    return _summed_table("part of the model", names, columns, shares=("of all", "FLOPs", "time"))


def as_text(table: Table) -> str:
    """A table for a terminal."""
    lines = [table.heads, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    )


def write(analysis: Analysis, folder: Path, title: str, subtitle: str) -> list[Path]:
    """`analysis.html` and one CSV file for each frame; returns their paths."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("hrfevo", "torch", "PyWavelets"))
    page = render(title, subtitle, f"{headline(analysis)}.", list(_sections(analysis)), f"Made with {versions}.")
    paths = [folder / "analysis.html"]
    write_atomically(paths[0], page)
    for name, frame in analysis.frames.items():
        paths.append(folder / f"{name}.csv")
        write_atomically(paths[-1], frame.to_csv(index=False))
    return paths


# --- the page -----------------------------------------------------------------------------------------


def _sections(analysis: Analysis) -> Iterator[Section]:
    frames, tokens = analysis.frames, analysis.cost.tokens
    conventions = (
        f"One forward pass over {tokens:,} tokens, one window at a time, each operator counted as torch dispatches it. "
        "★ marks what counts as spectral: Fourier transforms, products of complex numbers, filtering by wavelets; "
        "not matrix products with a basis, nor learned filters in time. "
        f"Time is that inside operators on {analysis.device}, one after another; Python between them is left out."
    )
    yield Section(
        "Operations and time by kind", conventions, figures.shares_by_kind(frames["kinds"]), kind_table(analysis)
    )
    yield Section(
        "Parameters, operations and time by part of the model",
        "Parts are told apart by which submodule is running. A head of tokens reuses the embedding's parameters.",
        figures.shares_by_component(frames["components"]),
        component_table(analysis, by_block=True),
    )
    yield Section(
        "What each part of the model computes",
        "Floating-point operations per token of the forward pass, by kind.",
        figures.operations_by_component(frames["costs"], frames["components"]),
    )
    if "embedding_spectrum" in frames:
        yield from _embedding_sections(frames)
    yield from _filter_sections(frames)
    if "energies" in frames:
        count, depth = analysis.windows, deepest_level(WAVELET, tokens)
        yield Section(
            "Time scales of the residual stream",
            f"Causal, undecimated wavelet decomposition ({WAVELET}, {depth} levels) of {count:,} windows of the text "
            "along the sequence, all channels together. Each bar is the energy of a band as a share of the sum. "
            "Bands are not orthogonal; energies.csv has each band's contribution to the stream's energy too.",
            figures.energies_by_scale(frames["energies"]),
        )


def _embedding_sections(frames: dict[str, pd.DataFrame]) -> Iterator[Section]:
    yield Section(
        "Spectrum of the embedding",
        "Power of the tokens' vectors over frequency across the channels; the powers of a vector sum to its energy. "
        "Line: mean over tokens; shaded: 10th to 90th percentile.",
        figures.embedding_spectrum(frames["embedding_spectrum"]),
    )
    yield Section(
        "Spectrum of each token",
        "Each row is one token; colour is the share of its energy at a frequency. "
        "Large vocabularies are shown by 256 tokens, evenly spread.",
        figures.token_spectra(frames["token_spectra"]),
    )
    if "harmonics" in frames:
        yield Section(
            "Amplitudes and phases of the spectral embedding",
            "Left: amplitude of each harmonic, mean over tokens and 10th to 90th percentile. Right: how the tokens' "
            "phases are spread; an even column is a harmonic whose phase tells tokens apart.",
            figures.amplitudes_and_phases(frames["harmonics"]),
        )
    yield Section(
        "Singular values of the embedding",
        "How many directions the tokens' vectors use; energy is the sum of squares.",
        figures.singular_values(frames["singular_values"]),
    )


def _filter_sections(frames: dict[str, pd.DataFrame]) -> Iterator[Section]:
    if "frequency_responses" in frames:
        impulses, responses = frames["impulse_responses"], frames["frequency_responses"]
        parts = responses["module"].map(_owner)
        for (part, origin), group in responses.groupby([parts, "origin"], sort=False):
            shown = impulses[(impulses["module"].map(_owner) == part) & (impulses["origin"] == origin)]
            yield Section(
                f"Filters of {part}" + (f": {origin} decomposition" if origin != LEARNED else ""),
                f"Filters along the sequence, {LEARNED if origin == LEARNED else 'fixed by the wavelet'}. "
                "Left: impulse responses, of at most eight channels. Right: gain, median over channels, and the 10th "
                "to 90th percentile of the first filters.",
                figures.sequence_filters(shown, group),
            )
    if "channel_filters" in frames:
        yield Section(
            "Spectral filters of the feed-forwards",
            "Gain over frequency across the channels. α is the learned share of the spectral part.",
            figures.channel_filters(frames["channel_filters"]),
        )


def _owner(module: str) -> str:
    """`blocks.0.mixer.short` → `block 0 mixer`."""
    parts = module.split(".")
    return f"block {parts[1]} {parts[2].replace('_', ' ')}" if parts[0] == "blocks" and len(parts) > 2 else module


def _summed_table(head: str, names: list[str], columns: dict[str, pd.Series], shares: tuple[str, ...]) -> Table:
    """Names and columns, and a last row of sums; shares as percentages, other numbers whole."""
    written = [
        [f"{100 * value:.1f} %" if name in shares else f"{value:,.0f}" for value in (*column, column.sum())]
        for name, column in columns.items()
    ]
    return Table([head, *columns], list(zip([*names, "all"], *written, strict=True)))
