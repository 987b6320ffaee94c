"""What happens within a position."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from signal_model.config.types import Activation
from signal_model.support.settings import Part

# Channels within a position, as a multiple of the width, at most.
WIDEST_EXPANSION = 64


class FeedForwardConfig(Part):
    """What happens within a position."""

    expansion: float = Field(4.0, gt=0, le=WIDEST_EXPANSION, description="Hidden channels as a multiple of the width")
    activation: Activation = "relu2"


class MLPConfig(FeedForwardConfig):
    """Two matrices (three for swiglu) and an activation."""

    kind: Literal["mlp"] = "mlp"


class SpectralFeedForwardConfig(FeedForwardConfig):
    """`(1 - α) MLP(x) + α irfft(W ⊙ rfft(x))` along the channels, with a learned α."""

    kind: Literal["spectral"] = "spectral"
    mixing: float = Field(0.5, gt=0, lt=1, description="Share α of the spectral part at the start")
