"""How positions exchange information: causally or, where the model says so and the mixer can, to both sides."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from signal_model.config.types import Range, Spacing, WaveletName, below_nyquist, ordered
from signal_model.support.settings import Misfit, ModelSize, Part


class MixerConfig(Part):
    """How positions exchange information: causally, unless the model is not causal."""

    two_sided: ClassVar[bool] = False
    """Whether there is a form for models that are not causal, in which positions hear from both sides."""


def _divides_width(heads: int, size: ModelSize, least: int = 1, even: bool = False) -> None:
    channels = size.width // heads
    if size.width % heads or channels < least or (even and channels % 2):
        sizes = " into even sizes" if even else f" into sizes of at least {least}" if least > 1 else ""
        raise Misfit("heads", f"must divide the width of {size.width}{sizes}, got {heads}")


class AttentionConfig(MixerConfig):
    """Softmax attention with normalised queries and keys."""

    two_sided = True
    kind: Literal["attention"] = "attention"
    heads: int = Field(4, ge=1, le=2**16)
    rotary: bool = Field(True, description="Rotary positions")
    window: int | None = Field(
        None,
        ge=1,
        le=2**24,
        description="Tokens seen, the present one included, or in the middle; none is all",
    )
    short_convolution: int = Field(1, ge=1, le=16, description="Taps of the convolution on q, k and v; 1 is none")

    def check(self, size: ModelSize) -> None:
        _divides_width(self.heads, size, least=2, even=self.rotary)
        if self.window is not None and self.window > size.context:
            raise Misfit("window", f"at most the context of {size.context}, got {self.window}")
        if self.window is not None and not size.causal and self.window < 3:
            raise Misfit("window", f"of at least 3 tokens has one ahead, as causal: false asks, got {self.window}")


class ConvolutionConfig(MixerConfig):
    """A convolution with learned taps, one filter per channel: with feed-forwards, a plain convolutional network."""

    two_sided = True
    kind: Literal["convolution"] = "convolution"
    taps: int = Field(7, ge=2, le=1024, description="Taps of each filter")

    def check(self, size: ModelSize) -> None:
        if self.taps > size.context:
            raise Misfit("taps", f"at most the context of {size.context}, got {self.taps}")
        if not size.causal and self.taps < 3:
            raise Misfit("taps", f"at least 3, of which one looks ahead, as causal: false asks, got {self.taps}")


class FourierAttentionConfig(MixerConfig):
    """Causal linear convolution of queries, keys and values with one another, by Fourier transform."""

    kind: Literal["fourier_attention"] = "fourier_attention"
    heads: int = Field(4, ge=1, le=2**16, description="Groups of channels with a decay and a norm of their own")
    timescales: Range = Field((4.0, 256.0), description="Shortest and longest decay time of queries and keys, tokens")

    _check_range = field_validator("timescales")(ordered)

    def check(self, size: ModelSize) -> None:
        _divides_width(self.heads, size, least=2)  # the norm of one channel would be its sign


class HarmonicConfig(MixerConfig):
    """Gated long convolution whose kernels are sums of damped harmonics."""

    two_sided = True
    kind: Literal["harmonic"] = "harmonic"
    bases: int = Field(16, ge=1, le=2**16, description="Damped harmonics per head")
    heads: int = Field(1, ge=1, le=2**16, description="Channels of one head share one set of harmonics")
    frequencies: Range = Field((0.001, 0.5), description="Lowest and highest frequency, cycles per token")
    spacing: Spacing = "log"
    timescales: Range = Field((1.0, 128.0), description="Shortest and longest decay time, tokens")
    short_convolution: int = Field(4, ge=1, le=16, description="Taps of the convolution on q, k and v; 1 scales alone")

    _check_ranges = field_validator("frequencies", "timescales")(ordered)

    _below_nyquist = field_validator("frequencies")(below_nyquist)

    def check(self, size: ModelSize) -> None:
        _divides_width(self.heads, size)


class SelectiveConfig(MixerConfig):
    """Damped rotating states whose decay and phase depend on the token."""

    kind: Literal["selective"] = "selective"
    bases: int = Field(16, ge=1, le=2**16, description="Rotating pairs of numbers per head that queries and keys have")
    heads: int = Field(4, ge=1, le=2**16, description="Groups of channels with queries, keys and a decay of their own")
    frequencies: Range = Field((0.001, 0.5), description="Lowest and highest frequency, cycles per token")
    spacing: Spacing = "log"
    timescales: Range = Field((4.0, 256.0), description="Shortest and longest decay time of the heads, tokens")
    short_convolution: int = Field(4, ge=1, le=16, description="Taps of the convolution on q, k and v; 1 scales alone")
    select_decay: bool = Field(True, description="Each token chooses how fast the state decays and turns")
    select_phase: bool = Field(True, description="Each token chooses an angle that the state turns by besides")
    bias: bool = Field(True, description="Queries and keys have a part that is the same for all tokens")

    _check_ranges = field_validator("frequencies", "timescales")(ordered)
    _below_nyquist = field_validator("frequencies")(below_nyquist)

    def check(self, size: ModelSize) -> None:
        _divides_width(self.heads, size, least=2)  # the norm of one channel would be its sign


class GatedStateConfig(MixerConfig):
    """What mixers have in common whose heads keep one state, keys × values, that each token lets decay."""

    heads: int = Field(2, ge=1, le=2**16, description="Groups of channels with a state and a decay of their own")
    key_expansion: float = Field(0.75, gt=0, le=16, description="Channels of queries and of keys over the width")
    value_expansion: float = Field(1.5, gt=0, le=16, description="Channels of values and of the gate over the width")
    short_convolution: int = Field(4, ge=1, le=16, description="Taps of the convolution on q, k and v; 1 scales alone")

    def channels(self, width: int) -> tuple[int, int]:
        """Channels of keys and of values, those of all heads together."""
        return round(self.key_expansion * width), round(self.value_expansion * width)

    def check(self, size: ModelSize) -> None:
        for name, channels in zip(("key_expansion", "value_expansion"), self.channels(size.width), strict=True):
            # The norm of one channel would be its sign.
            if channels % self.heads or channels < 2 * self.heads:
                told = f"{getattr(self, name):g} of a width of {size.width} is {channels} channels"
                raise Misfit(name, f"must divide into {self.heads} heads of at least 2, and {told}")


class GatedLinearConfig(GatedStateConfig):
    """Gated linear attention with one decay per head and token, as of Mamba-2."""

    kind: Literal["gated_linear"] = "gated_linear"


class GatedDeltaConfig(GatedStateConfig):
    """The gated delta rule: each token corrects what the state answers to its key."""

    kind: Literal["gated_delta"] = "gated_delta"


class WaveletConfig(MixerConfig):
    """Gated mixing of the scales of an undecimated wavelet decomposition."""

    two_sided = True
    kind: Literal["wavelet"] = "wavelet"
    families: tuple[WaveletName, ...] = Field(("db2",), min_length=1, description="One, or several to select from")
    levels: int = Field(5, ge=1, le=20)
    heads: int = Field(4, ge=1, le=2**16, description="Groups of channels with gates of their own")
    taps: int = Field(3, ge=1, le=16, description="Taps of each scale's learned filter")

    @field_validator("families")
    @classmethod
    def _distinct(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(families)) < len(families):
            raise ValueError(f"{list(families)} names a family twice")
        return families

    def check(self, size: ModelSize) -> None:
        _divides_width(self.heads, size)
        if 2**self.levels > size.context:
            raise Misfit("levels", f"{self.levels} needs a context of at least {2**self.levels}, got {size.context}")
