"""Models by name, as plain data: SignalLLMs, the transformers of the same size, and a small SignalLLM for bytes.

Sizes hold at the vocabulary of GPT-2 (50,257) and are within 5 % of the name. A spectral embedding leaves
most of them to the layers, a standard one takes most of them itself: the twins have equal parameters, not
equal widths.
"""

from __future__ import annotations

from typing import Any

GPT2_VOCABULARY = 50257
CONTEXT = 1024


def _signalllm(width: int, layers: int, bases: int) -> dict[str, Any]:
    """Two harmonic layers to each layer of attention in a window: a state of fixed size, whatever the length."""
    harmonic = {"mixer": {"kind": "harmonic", "bases": 16, "timescales": [1.0, 1024.0]}}
    window = {"mixer": {"kind": "attention", "heads": width // 64, "window": 128}}
    return {
        "vocab_size": GPT2_VOCABULARY,
        "context": CONTEXT,
        "width": width,
        "embedding": {
            "kind": "spectral",
            "bases": bases,
            "frequencies": [0.5, width / 4],
            "learnable_frequencies": True,
        },
        "layers": [window if index % 3 == 2 else harmonic for index in range(layers)],
    }


def _transformer(width: int, layers: int, heads: int) -> dict[str, Any]:
    return {
        "vocab_size": GPT2_VOCABULARY,
        "context": CONTEXT,
        "width": width,
        "layers": [{"mixer": {"kind": "attention", "heads": heads}}] * layers,
    }


def _of_the_search() -> dict[str, Any]:
    """Confirmed best of `search_spaces/mixers.yaml` on tinyshakespeare: see docs/benchmarks/models.md."""
    mixer = {"kind": "harmonic", "frequencies": [0.002, 0.5], "timescales": [1.0, 64.0], "short_convolution": 4}
    layer = {"mixer": mixer, "feedforward": {"kind": "mlp", "expansion": 2.5, "activation": "relu2"}}
    return {"vocab_size": 256, "context": 64, "width": 128, "layers": [layer] * 5}


PRESETS: dict[str, dict[str, Any]] = {
    "signalllm-8m": _signalllm(width=256, layers=6, bases=32),
    "signalllm-18m": _signalllm(width=384, layers=8, bases=40),
    "signalllm-40m": _signalllm(width=512, layers=10, bases=80),
    "tinyshakespeare-0.8m": _of_the_search(),
    "transformer-8m": _transformer(width=128, layers=8, heads=4),
    "transformer-18m": _transformer(width=256, layers=7, heads=4),
    "transformer-40m": _transformer(width=448, layers=7, heads=7),
}
