"""Which bytes a model predicts well, and which frequencies of its harmonics it needs for that.

    python benchmarks/bands.py FOLDER [OTHER …]

The folders are what `signal-model train` wrote, of models of bytes. The first table has the loss of each by kind of
byte: where a word begins, letters inside of it, digits, indentation, other space, and the rest. Beside these stands
what is copied: bytes that end a span of eight which the window has had before. The second table takes the harmonic
layers of each model: the coefficients of all harmonics whose period lies in one octave are set to 0, one octave at a
time, and what that costs is told by kind. Nothing is trained again, so it says what the model relies on, not what
another could do.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from common import machine, print_table
from torch import Tensor
from torch.nn import functional as F

from signal_model.data.corpus import load_corpus
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.evaluation.scores import LN2, fixed_windows, predictions
from signal_model.layers.mixers.harmonic import HarmonicMixer
from signal_model.model import SignalLLM
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import load_checkpoint

CPU = torch.device("cpu")
KINDS = (
    "word begins",
    "inside a word",
    "digit",
    "indentation",
    "other space",
    "punctuation and others",
    "copied",
    "all",
)
COPIED = 8  # bytes: longer than most names of one word


def kinds_of(windows: np.ndarray) -> dict[str, np.ndarray]:
    """Which of the predicted bytes of windows (N, T + 1) are of each kind: booleans (N, T)."""
    now, before = windows[:, 1:], windows[:, :-1]
    letter, letter_before = _is_letter(now), _is_letter(before)
    digit = (now >= ord("0")) & (now <= ord("9"))
    space = np.isin(now, [*b" \t\r\n"])
    newlines = windows == ord("\n")
    # A space is of the indentation if only spaces lie between it and the last end of a line.
    blank = np.isin(windows, [*b" \t"])
    places = np.arange(windows.shape[1])
    last_line = np.maximum.accumulate(np.where(newlines, places, -1), axis=1)
    last_ink = np.maximum.accumulate(np.where(~blank & ~newlines, places, -1), axis=1)
    indentation = (blank & (last_line > last_ink))[:, 1:]
    found = {
        "word begins": letter & ~letter_before,
        "inside a word": letter & letter_before,
        "digit": digit,
        "indentation": indentation,
        "other space": space & ~indentation,
    }
    found["punctuation and others"] = ~np.logical_or.reduce([*found.values()])
    return {**found, "copied": _copied(windows), "all": np.ones_like(letter)}


def _is_letter(text: np.ndarray) -> np.ndarray:
    lower = text | 0x20
    return ((lower >= ord("a")) & (lower <= ord("z"))) | (text == ord("_")) | (text >= 128)


def _copied(windows: np.ndarray) -> np.ndarray:
    """Whether the span of COPIED bytes that each predicted byte ends has been in its window before, (N, T)."""
    spans = np.lib.stride_tricks.sliding_window_view(windows.astype(np.uint8), COPIED, axis=1)
    numbers = np.ascontiguousarray(spans).view(np.uint64)[..., 0]
    row = np.repeat(np.arange(len(windows), dtype=np.uint64), numbers.shape[1])
    _, first, which = np.unique(np.stack([row, numbers.ravel()]), axis=1, return_index=True, return_inverse=True)
    again = (first[which.ravel()] != np.arange(numbers.size)).reshape(numbers.shape)
    return np.concatenate([np.zeros((len(windows), COPIED - 2), bool), again], axis=1)


def losses_by_kind(model: SignalLLM, windows: np.ndarray, kinds: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean bits of the bytes of each kind; not a number where there is none."""
    with torch.no_grad():
        bits = np.concatenate(
            [
                F.cross_entropy(logits.transpose(1, 2), targets, reduction="none").numpy() / LN2
                for logits, targets in predictions(model, windows, model.config.vocab_size, CPU)
            ]
        )
    return {kind: float(bits[mask].mean()) if mask.any() else math.nan for kind, mask in kinds.items()}


def octaves(model: SignalLLM) -> dict[int, int]:
    """How many harmonics have a period of 2^k up to 2^(k+1) tokens, by k, the shortest first."""
    counts: dict[int, int] = {}
    for mixer in _harmonic_mixers(model):
        for octave in _octave(mixer).flatten().tolist():
            counts[octave] = counts.get(octave, 0) + 1
    return dict(sorted(counts.items()))


@contextmanager
def without(model: SignalLLM, octave: int) -> Iterator[None]:
    """The model with the coefficients of all harmonics of one octave at 0."""
    kept = [(mixer.coefficients, mixer.coefficients.detach().clone()) for mixer in _harmonic_mixers(model)]
    try:
        with torch.no_grad():
            for mixer in _harmonic_mixers(model):
                mixer.coefficients.mul_((_octave(mixer) != octave).repeat(1, 2)[:, None])
        yield
    finally:
        with torch.no_grad():
            for coefficients, values in kept:
                coefficients.copy_(values)


def _harmonic_mixers(model: SignalLLM) -> list[HarmonicMixer]:
    return [part for part in model.modules() if isinstance(part, HarmonicMixer)]


def _octave(mixer: HarmonicMixer) -> Tensor:
    """floor(log2(period in tokens)) of each harmonic, (H, B)."""
    return (math.log2(2 * math.pi) - mixer.log_frequency.detach() / LN2).floor().long()


def main() -> int:
    parser = argparse.ArgumentParser(description="Losses by kind of byte, and what each octave of harmonics carries.")
    parser.add_argument("folders", nargs="+", type=Path, help="that `signal-model train` wrote")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="(%(default)s)")
    parser.add_argument("--tokens", type=int, default=131072, help="to score on (%(default)s)")
    options = parser.parse_args()
    models, asked = {}, {}
    for folder in options.folders:
        model, recipe, tokenizer = load_checkpoint(folder, CPU)
        if not isinstance(tokenizer, ByteTokenizer) or recipe.corpus is None:
            raise InputError(f"{folder}: is no model of bytes that names its text")
        corpus = load_corpus(recipe.corpus, recipe.tokenizer)
        windows = fixed_windows(getattr(corpus, options.split), recipe.model.context, options.tokens)
        models[str(folder)], asked[str(folder)] = model, (windows, kinds_of(windows))
    whole = {name: losses_by_kind(models[name], *asked[name]) for name in models}
    print(f"{machine('torch')}\n{options.split} split, {options.tokens:,} tokens; bits per byte by kind\n")
    shares = next(iter(asked.values()))[1]
    rows = [[kind, f"{shares[kind].mean():.1%}", *(f"{whole[name][kind]:.3f}" for name in models)] for kind in KINDS]
    print_table(["kind", "share", *models], rows)
    for name, model in models.items():
        if not (counts := octaves(model)):
            continue
        rows = []
        for octave, count in counts.items():
            with without(model, octave):
                lesser = losses_by_kind(model, *asked[name])
            rows.append(
                [f"{2.0**octave:,.0f}–{2.0 ** (octave + 1):,.0f}", count]
                + [f"{lesser[kind] - whole[name][kind]:+.3f}" for kind in KINDS]
            )
        print(f"\n{name}: bits per byte more without the harmonics of one octave of periods\n")
        print_table(["period, tokens", "harmonics", *KINDS], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
