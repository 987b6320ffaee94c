"""Small models with mixers and feed-forward layers of several kinds."""

from __future__ import annotations

from typing import Any

import torch

from signal_model.config import ModelConfig
from signal_model.model import SignalLLM, build_model

CPU = torch.device("cpu")
LAYERS = [
    {"mixer": {"kind": "harmonic", "bases": 4}, "feedforward": {"kind": "spectral"}},
    {"mixer": {"kind": "wavelet", "levels": 3, "families": ["haar", "db2"]}},
    {"mixer": {"kind": "attention", "heads": 2}},
]
# With a spectral embedding, to be taken apart, and with a hybrid one, to be trained.
MIXED: dict[str, Any] = {
    "vocab_size": 256,
    "context": 64,
    "width": 16,
    "embedding": {"kind": "spectral", "bases": 4, "frequencies": [1, 6]},
    "layers": LAYERS,
}
HYBRID: dict[str, Any] = {
    "context": 48,
    "width": 32,
    "embedding": {"kind": "hybrid", "bases": 8, "frequencies": [0.5, 8], "learnable_frequencies": True},
    "layers": LAYERS,
}


def mixed() -> SignalLLM:
    """The model of `MIXED`, untrained."""
    return build_model(ModelConfig.model_validate(MIXED), 0)
