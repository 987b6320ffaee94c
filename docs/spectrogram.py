"""What recordings sound like, as a picture: docs/spectrogram.png.

    python docs/spectrogram.py spoken.wav generated.wav ['a title' …]

Each wav file is a panel: level by time and frequency, in decibels below the loudest of the file. Needs a Chromium;
CHROMIUM names one that is not on the PATH.
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from hrfevo.views.export.pictures import draw

PICTURE = Path(__file__).parent / "spectrogram.png"
# What is further below the loudest is as silence; a window in samples, and from one to the next.
FLOOR, WINDOW, HOP = 60.0, 160, 40


def panel(file: Path) -> go.Heatmap:
    """The spectrogram of a wav file of 16 bits."""
    with wave.open(str(file)) as sound:
        rate = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 2**15
    transform = ShortTimeFFT(hann(WINDOW), HOP, rate, mfft=256)
    level = 10 * np.log10(np.maximum(transform.spectrogram(samples), 1e-12))
    return go.Heatmap(
        z=np.maximum(level - level.max(), -FLOOR),
        x=transform.t(len(samples)),
        y=transform.f / 1000,
        coloraxis="coloraxis",
    )


def main(files: list[Path], titles: list[str]) -> None:
    fig = make_subplots(rows=1, cols=len(files), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03)
    for column, file in enumerate(files, start=1):
        fig.add_trace(panel(file), row=1, col=column)
        fig.update_xaxes(title="seconds", range=[0, 1], row=1, col=column)
    fig.update_yaxes(title="kHz", col=1)
    fig.update_layout(
        coloraxis={"colorscale": "Magma", "colorbar": {"title": "dB"}},
        margin={"t": 40, "b": 50, "l": 50, "r": 20},
        width=900,
        height=320,
    )
    PICTURE.write_bytes(draw(fig, ".png"))
    print(PICTURE)


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:] if argument.endswith(".wav")]
    if not given:
        sys.exit(__doc__)
    named = [argument for argument in sys.argv[1:] if not argument.endswith(".wav")]
    main(given, named or [file.stem for file in given])
