"""Words and ranges that several settings share."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from signal_model.support.errors import closest

Spacing = Literal["linear", "log", "mel"]
Activation = Literal["gelu", "relu2", "swiglu"]
Interval = tuple[float, float]


@cache
def discrete_wavelets() -> tuple[str, ...]:
    """Names of every discrete wavelet PyWavelets knows."""
    import pywt

    return tuple(pywt.wavelist(kind="discrete"))


def _known_wavelet(name: str) -> str:
    if name not in discrete_wavelets():
        raise ValueError(
            f"{name!r} is not a discrete wavelet of PyWavelets{closest(name, discrete_wavelets())}; "
            "accepted: haar, db1-db38, sym2-sym20, coif1-coif17, bior1.1-bior6.8, rbio1.1-rbio6.8, dmey"
        )
    return name


def ordered(pair: Interval) -> Interval:
    if not 0 < pair[0] < pair[1]:
        raise ValueError(f"{list(pair)} is not a range [low, high] with 0 < low < high")
    # Bounds that float32, in which models compute, tells from zero and from infinity.
    if not (pair[0] >= 1e-30 and pair[1] <= 1e30):
        raise ValueError(f"{list(pair)} is not a range between 1e-30 and 1e30")
    return pair


def below_nyquist(pair: Interval) -> Interval:
    if pair[1] > 0.5:
        raise ValueError(f"at most 0.5 cycles per token or sample, got {pair[1]:g}")
    return pair


def _above_zero(schema: dict[str, Any]) -> None:
    schema["prefixItems"] = [end | {"exclusiveMinimum": 0} for end in schema["prefixItems"]]


def _list_wavelets(schema: dict[str, Any]) -> None:
    schema["enum"] = [*discrete_wavelets()]


WaveletName = Annotated[
    str,
    Field(description="A discrete wavelet of PyWavelets", json_schema_extra=_list_wavelets),
    BeforeValidator(_known_wavelet),
]
Range = Annotated[Interval, Field(description="A pair [low, high] with 0 < low < high", json_schema_extra=_above_zero)]
