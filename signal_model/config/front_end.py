"""How what a model is given becomes a sequence of vectors: tokens by an embedding, samples of sound by frames."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from signal_model.config.types import Range, Spacing, WaveletName, below_nyquist, ordered
from signal_model.support.settings import Misfit, ModelSize, Part


class FrontEndConfig(Part):
    """How what a model is given becomes a sequence of vectors."""


class TokensConfig(FrontEndConfig):
    """Token numbers, looked up in the embedding."""

    kind: Literal["tokens"] = "tokens"


class FramesConfig(FrontEndConfig):
    """What front ends of samples have in common: a frame each `stride` samples, heard from `taps` of them."""

    stride: int = Field(40, ge=1, le=2**16, description="Samples from one frame to the next")
    taps: int = Field(160, ge=1, le=2**16, description="Samples that a frame is made of; the stride at least")
    relative: bool = Field(
        False,
        description="What each filter gives is divided by its mean over the recording, so far if causal",
    )

    def check(self, size: ModelSize) -> None:
        """`size.context` counts samples here."""
        if self.taps < self.stride:
            raise Misfit("taps", f"at least the stride of {self.stride}, or samples are not heard; got {self.taps}")
        if 2 * self.stride > size.context:
            raise Misfit("stride", f"at least two frames of the context of {size.context} samples, got {self.stride}")


class StridedConfig(FramesConfig):
    """Learned filters on raw samples, rectified, and a linear map."""

    kind: Literal["strided"] = "strided"
    filters: int = Field(64, ge=1, le=4096, description="Filters M")


class SampleFilterBankConfig(FramesConfig):
    """Energies of learned filters that begin as windowed harmonics, compressed, and a linear map."""

    kind: Literal["filter_bank"] = "filter_bank"
    filters: int = Field(40, ge=1, le=4096, description="Filters M, each a pair in quadrature")
    frequencies: Range = Field((0.01, 0.45), description="Lowest and highest frequency at the start, cycles per sample")
    spacing: Spacing = "mel"

    _check_range = field_validator("frequencies")(ordered)
    _below_nyquist = field_validator("frequencies")(below_nyquist)


class SampleWaveletConfig(FramesConfig):
    """Magnitudes of the bands of an undecimated wavelet decomposition, compressed, and learned filters on these."""

    kind: Literal["wavelet"] = "wavelet"
    wavelet: WaveletName = "db4"
    levels: int = Field(6, ge=1, le=20)

    def check(self, size: ModelSize) -> None:
        super().check(size)
        if 2**self.levels > size.context:
            raise Misfit("levels", f"{self.levels} needs a context of at least {2**self.levels}, got {size.context}")
