"""Recordings for tests: words that differ in pitch and in how it runs, by speakers that differ in timbre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
WORDS, SPEAKERS = ("low", "high", "rise"), tuple(f"s{number}" for number in range(8))


def word(name: str, speaker: int, take: int, seconds: float = 0.1) -> np.ndarray:
    """Samples of one recording; later takes are longer."""
    time = np.arange(round((1 + 0.2 * take) * seconds * RATE)) / RATE
    low, high = {"low": (300, 300), "high": (900, 900), "rise": (300, 900)}[name]
    pitch = np.linspace(low, high, len(time)) * (1 + 0.02 * speaker + 0.005 * take)
    cycles = np.cumsum(pitch) / RATE
    return 0.4 * np.sin(2 * np.pi * cycles) + 0.05 * (1 + speaker) / 8 * np.sin(6 * np.pi * cycles)


def write_words(folder: Path, takes: int = 2) -> Path:
    """`WORD_SPEAKER_TAKE.wav` for all of them."""
    folder.mkdir(exist_ok=True)
    for name in WORDS:
        for number, speaker in enumerate(SPEAKERS):
            for take in range(takes):
                soundfile.write(folder / f"{name}_{speaker}_{take}.wav", word(name, number, take), RATE)
    return folder
