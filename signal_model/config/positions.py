"""What a token's place adds to its vector."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from signal_model.config.types import Range, Spacing, ordered
from signal_model.support.settings import Part


class PositionsConfig(Part):
    """What a token's place adds to its vector; rotary positions belong to attention."""


class NoPositionsConfig(PositionsConfig):
    """Nothing: mixers tell positions apart themselves."""

    kind: Literal["none"] = "none"


class SignalPositionsConfig(PositionsConfig):
    """A sum of sinusoids over the sequence, with frequencies and coefficients that are learned."""

    kind: Literal["signal"] = "signal"
    bases: int = Field(16, ge=1, le=2**16, description="Sinusoids shared by all channels")
    frequencies: Range = Field((0.0005, 0.25), description="Lowest and highest frequency, cycles per token")
    spacing: Spacing = "log"
    learnable_frequencies: bool = True

    _check_range = field_validator("frequencies")(ordered)
