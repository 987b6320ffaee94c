"""Activations along the sequence, decomposed by causal wavelets: at which time scales each layer works."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from signal_model.data.tokenizers import Tokenizer
from signal_model.evaluation.scores import fixed_windows
from signal_model.model import SignalClassifier, SignalLLM
from signal_model.support.errors import InputError
from signal_model.support.modes import in_evaluation
from signal_model.transforms.atrous import causal_decomposition, reach

EMBEDDED = "embedded"


def text_windows(text: str, tokenizer: Tokenizer, context: int, name: str, most: int = 16) -> np.ndarray:
    """At most `most` windows of a text, evenly spread and apart from one another, (N, context) of token numbers.

    Raises InputError naming `name` for a text of less than one window.
    """
    tokens = tokenizer.encode(text)
    if len(tokens) <= context:
        raise InputError(f"{name}: {len(tokens)} tokens are fewer than the {context + 1} of one window")
    return fixed_windows(tokens, context, most * context)[:, :-1]


def residual_stream(model: SignalLLM | SignalClassifier) -> list[str]:
    """Names of what the residual stream holds: after the embedding, then after each block."""
    return [EMBEDDED, *(f"blocks.{index}" for index in range(len(model.blocks)))]


@torch.no_grad()
def activations(model: SignalLLM | SignalClassifier, windows: np.ndarray, names: Sequence[str]) -> dict[str, Tensor]:
    """Outputs of submodules for windows of tokens (N, T): each (N, T, C), float32, on the CPU.

    A name is that of a submodule with one tensor as output, or `embedded`: the first block's input. Of what runs
    several times, a shared block and its parts, the last output is given.
    Raises InputError for a name that the model does not have, or that did not run.
    """
    seen: dict[str, list[Tensor]] = {name: [] for name in names}
    kept: dict[str, list[Tensor]] = {name: [] for name in names}
    modules = dict(model.named_modules())
    handles = []
    for name in names:
        if name != EMBEDDED and name not in modules:
            raise InputError(f"{name}: is no submodule of this model; accepted: {EMBEDDED}, {', '.join(modules)[2:]}")
        handles.append(_watch(model.blocks[0] if name == EMBEDDED else modules[name], seen[name], name == EMBEDDED))
    device = next(model.parameters()).device
    try:
        with in_evaluation(model):
            for window in torch.from_numpy(windows.astype(np.int64)):
                model(window[None].to(device))
                for name, outputs in seen.items():
                    kept[name] += outputs[:1] if name == EMBEDDED else outputs[-1:]
                    outputs.clear()
    finally:
        for handle in handles:
            handle.remove()
    for name, outputs in kept.items():
        if not outputs or outputs[0].ndim != 3:
            raise InputError(f"{name}: has no output of shape (batch, tokens, channels) in a forward pass")
    return {name: torch.cat(outputs) for name, outputs in kept.items()}


def deepest_level(wavelet: str, length: int) -> int:
    """The most levels whose filters together look back on less than half of `length` tokens; at least 1."""
    level = 1
    while sum(reach(wavelet, j) for j in range(1, level + 2)) < length / 2:
        level += 1
    return level


def energy_frame(streams: dict[str, Tensor], wavelet: str = "db2", levels: int | None = None) -> pd.DataFrame:
    """One row per stream (N, T, C) and band of its causal decomposition x = a_J + Σ_j d_j.

    Columns: `stream`; `band`, d1 (fastest) to dJ, then aJ (the rest); `period_from` and `period_to`, the
    periods in tokens that an ideal filter of this band would pass; `energy`, the mean square per number;
    `share` of the sum of the bands' energies; `contribution`, the inner product of band and stream over
    the energy of the stream. Shares and contributions of a stream sum to one. The bands are not
    orthogonal, so their energies do not sum to the stream's: contributions do, and may be below zero.
    Positions where the filters still look back before the start of a window are left out.
    """
    rows = []
    for name, stream in streams.items():
        depth = levels or deepest_level(wavelet, stream.shape[1])
        start = sum(reach(wavelet, level) for level in range(1, depth + 1))
        if start >= stream.shape[1]:
            raise InputError(
                f"levels: {depth} levels of {wavelet} look back on {start} tokens, the window has {stream.shape[1]}"
            )
        signal = stream.double()
        bands = [band[:, start:] for band in causal_decomposition(signal, wavelet, depth)]
        signal = signal[:, start:]
        energies = [float(band.square().mean()) for band in bands]
        total = float(signal.square().mean())
        for level, (band, energy) in enumerate(zip(bands, energies, strict=True), start=1):
            last = level > depth
            rows.append(
                {
                    "stream": name,
                    "band": f"a{depth}" if last else f"d{level}",
                    "period_from": float(2 ** (depth + 1 if last else level)),
                    "period_to": np.inf if last else float(2 ** (level + 1)),
                    "energy": energy,
                    "share": energy / (sum(energies) or 1.0),
                    "contribution": float((band * signal).mean()) / (total or 1.0),
                }
            )
    return pd.DataFrame(rows)


def _watch(module: nn.Module, into: list[Tensor], its_input: bool) -> torch.utils.hooks.RemovableHandle:
    def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        kept = inputs[0] if its_input else output
        if isinstance(kept, Tensor):
            into.append(kept.float().cpu())

    return module.register_forward_hook(keep)
