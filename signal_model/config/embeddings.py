"""How tokens become vectors."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from signal_model.config.types import Range, Spacing, WaveletName, ordered
from signal_model.support.settings import Misfit, ModelSize, Part


class EmbeddingConfig(Part):
    """How tokens become vectors; the output head is tied to it."""


class SpectralSettings(EmbeddingConfig):
    """What spectral and hybrid embeddings have in common."""

    bases: int = Field(32, ge=1, le=2**16, description="Harmonics B per token")
    frequencies: Range = Field((0.5, 32.0), description="Lowest and highest frequency, cycles across the channels")
    spacing: Spacing = Field("linear", description="How frequencies lie between the two")
    learnable_frequencies: bool = False

    _check_range = field_validator("frequencies")(ordered)

    def check(self, size: ModelSize) -> None:
        if self.frequencies[1] > size.width / 2:
            needed = f"{2 * self.frequencies[1]:g}"
            raise Misfit(
                "frequencies",
                f"{self.frequencies[1]:g} cycles need a width of at least {needed}, got {size.width}",
            )


class StandardEmbeddingConfig(EmbeddingConfig):
    """A free vector per token."""

    kind: Literal["standard"] = "standard"


class SpectralEmbeddingConfig(SpectralSettings):
    """A sum of sinusoids over the channels, with amplitudes and phases per token."""

    kind: Literal["spectral"] = "spectral"


class BasisEmbeddingConfig(EmbeddingConfig):
    """Coefficients per token on a set of functions over the channels."""

    kind: Literal["basis"] = "basis"
    functions: Literal["dct", "fourier", "wavelet", "learned"] = "dct"
    bases: int = Field(32, ge=1, le=2**16, description="Number of functions, lowest frequency first")
    wavelet: WaveletName | None = Field(None, description="Only for `functions: wavelet`")

    @model_validator(mode="after")
    def _wavelet_where_needed(self) -> Self:
        if (self.functions == "wavelet") != (self.wavelet is not None):
            raise ValueError(
                f"`wavelet` must be given for `functions: wavelet` and only then, got functions {self.functions!r} "
                f"with wavelet {self.wavelet!r}"
            )
        return self

    def check(self, size: ModelSize) -> None:
        if self.bases > size.width:
            raise Misfit("bases", f"at most the width of {size.width}, got {self.bases}")
        if self.functions == "wavelet" and size.width % 2:
            raise Misfit("functions", f"wavelet needs an even width, got {size.width}")


class HybridEmbeddingConfig(SpectralSettings):
    """`(1 - m) * standard + m * spectral` with a learned m."""

    kind: Literal["hybrid"] = "hybrid"
    mixing: float = Field(0.5, gt=0, lt=1, description="Share m of the spectral part at the start")
