"""Samples to bytes and back by μ-law, and bytes to a wav file."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from signal_model.support.files import write_atomically

MU = 255


def mulaw_encode(samples: np.ndarray) -> np.ndarray:
    """Samples of any shape in [-1, 1] → μ-law bytes, uint8; what is louder is cut to that.

    y = sign(x) ln(1 + μ|x|) / ln(1 + μ) with μ = 255 (ITU-T G.711's curve, as WaveNet uses it; van den Oord et al.
    2016), and the byte is the nearest of the 256 that stand evenly from -1 to 1.
    """
    clipped = np.clip(np.asarray(samples, np.float64), -1, 1)
    curved = np.sign(clipped) * np.log1p(MU * np.abs(clipped)) / np.log1p(MU)
    codes: np.ndarray = np.rint((curved + 1) / 2 * MU).astype(np.uint8)
    return codes


def mulaw_decode(codes: np.ndarray) -> np.ndarray:
    """Bytes → samples in [-1, 1], float32.

    Examples:
        >>> [f"{sample:.5f}" for sample in mulaw_decode(np.array([0, 127, 128, 255]))]
        ['-1.00000', '-0.00009', '0.00009', '1.00000']
    """
    samples: np.ndarray = LEVELS[codes]
    return samples


_CURVED = 2 * np.arange(256) / MU - 1
LEVELS = (np.sign(_CURVED) * np.expm1(np.abs(_CURVED) * np.log1p(MU)) / MU).astype(np.float32)
"""(256,) float32: the sample that each byte stands for."""


class MuLaw:
    """A token is a μ-law byte of a sample; 0 is the end of a recording.

    The byte 0, the lowest of 256 levels, becomes 1: as NUL in text, the one change ever made to what is read.

    Examples:
        >>> codec = MuLaw(rate=8000)
        >>> codec.encode(np.array([-1.0, -0.5, 0.0, 0.5])).tolist()
        [1, 16, 128, 239]
    """

    unit = "sample"
    vocab_size = 256
    end_of_text = 0

    def __init__(self, rate: int) -> None:
        """Raises ValueError unless `rate`, in samples per second, is a whole number above 0."""
        if not isinstance(rate, int) or rate < 1:
            raise ValueError(f"rate: expected samples per second, got {rate!r}")
        self.rate = rate
        self.byte_lengths = np.ones(self.vocab_size, np.int64)
        self.byte_lengths[self.end_of_text] = 0

    def encode(self, samples: np.ndarray) -> np.ndarray:
        """Samples (n,) in [-1, 1] → tokens (n,) uint8, without an end."""
        return self.tokens(mulaw_encode(samples))

    @staticmethod
    def tokens(codes: np.ndarray) -> np.ndarray:
        """Standard μ-law bytes → tokens."""
        result: np.ndarray = np.maximum(np.asarray(codes, np.uint8), 1)
        return result

    def to_bytes(self, tokens: Sequence[int]) -> bytes:
        """Standard μ-law bytes; of the end of a recording nothing."""
        return bytes(int(token) for token in tokens if token != self.end_of_text)

    def decode(self, tokens: Sequence[int]) -> np.ndarray:
        """Samples (n,), float32, in [-1, 1]; the end of a recording is dropped."""
        return mulaw_decode(np.frombuffer(self.to_bytes(tokens), np.uint8))

    def to_json(self) -> str:
        return json.dumps({"kind": "mulaw", "rate": self.rate})


def write_wav(file: Path, samples: np.ndarray, rate: int) -> None:
    """Write samples (n,) in [-1, 1] as a wav file of one channel of 16 bits, atomically."""
    content = io.BytesIO()
    with wave.open(content, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    write_atomically(file, content.getvalue())
