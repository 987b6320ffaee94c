"""Synthetic sounds that need no download: tones, chirps and pulses by instruments that differ in timbre."""

from __future__ import annotations

import numpy as np

from signal_model.config.sound import CHIRPS_RATE
from signal_model.data.mulaw import MuLaw, mulaw_encode
from signal_model.data.recordings import Recording

KINDS = ("tone", "rise", "fall", "vibrato", "tremolo", "two", "bounce", "pulses")
INSTRUMENTS, TAKES = 60, 3
# Samples of the longest, a good half of a second; the shortest have two thirds of that.
LONGEST = 4608
HARMONICS = 6


def chirps(seed: int = 0) -> list[Recording]:
    """Three takes of each of eight kinds by each of sixty instruments, 11 minutes, the same on every machine.

    A kind is how pitch and loudness run: a steady tone, a chirp up or down (an octave), vibrato, tremolo, a step to
    another pitch, a chirp up and down again, or pulses. The instrument decides how loud six harmonics are, how far
    they are from multiples of the pitch, and how much noise there is; a take has a pitch, a length and a loudness of
    its own.
    """
    generator = np.random.default_rng(seed)
    count = INSTRUMENTS * len(KINDS) * TAKES
    instrument = np.repeat(np.arange(INSTRUMENTS), len(KINDS) * TAKES)
    kind = np.tile(np.repeat(np.arange(len(KINDS)), TAKES), INSTRUMENTS)

    timbre = generator.dirichlet(np.ones(HARMONICS), INSTRUMENTS)[instrument]
    stretch = 1 + 0.03 * generator.random(INSTRUMENTS)[instrument]
    noise = 10 ** generator.uniform(-3, -1.5, INSTRUMENTS)[instrument]
    pitch = 150 * 2 ** generator.uniform(0, 1.5, count)
    length = generator.integers(2 * LONGEST // 3, LONGEST + 1, count)
    loudness = 10 ** generator.uniform(-1, -0.2, count)
    speed = generator.uniform(5, 9, count)
    phase = generator.uniform(0, 2 * np.pi, (count, HARMONICS))

    time = np.arange(LONGEST) / CHIRPS_RATE
    recordings = []
    for n in range(count):
        seconds = time[: length[n]]
        octaves, gate = _course(KINDS[kind[n]], seconds / seconds[-1], seconds, speed[n])
        cycles = np.cumsum(pitch[n] * 2**octaves) / CHIRPS_RATE
        ratios = np.arange(1, HARMONICS + 1) ** stretch[n]
        sound = timbre[n] @ np.sin(2 * np.pi * ratios[:, None] * cycles + phase[n, :, None])
        envelope = np.minimum(1, np.minimum(seconds, seconds[::-1]) / 0.02)
        heard = loudness[n] * (sound * gate * envelope + noise[n] * generator.standard_normal(len(seconds)))
        name = f"chirps[{n}]"
        recordings.append(Recording(MuLaw.tokens(mulaw_encode(heard)), name, KINDS[kind[n]], str(instrument[n])))
    return recordings


def _course(kind: str, part: np.ndarray, seconds: np.ndarray, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """How far above its pitch a sound is, in octaves, and how loud, at each `part` of its length from 0 to 1."""
    steady, full = np.zeros_like(part), np.ones_like(part)
    wave = np.sin(2 * np.pi * speed * seconds)
    return {
        "tone": (steady, full),
        "rise": (part, full),
        "fall": (1 - part, full),
        "vibrato": (wave / 12, full),
        "tremolo": (steady, 0.55 + 0.45 * wave),
        "two": (np.where(part < 0.5, 0.0, 7 / 12), full),
        "bounce": (1 - np.abs(2 * part - 1), full),
        "pulses": (steady, (wave > 0).astype(float)),
    }[kind]
