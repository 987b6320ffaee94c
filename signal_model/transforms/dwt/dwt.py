"""The discrete wavelet transform along the last axis: any batch, differentiable, on any device.

Mallat's pyramid (1989) with the filters, boundary modes, lengths and order of coefficients of PyWavelets
(Lee et al. 2019, doi:10.21105/joss.01237). The transform is linear, and its derivative is its adjoint; both are
computed by `filter_bank`, neither keeps the signal for the backward pass.

float32 and float64 are computed as they are, float16 and bfloat16 in float32, and results have the signal's dtype.
They may be views with gaps between rows, as slices are; where gradients are recorded, PyTorch refuses to change them
in place, as it does with the results of `torch.split`. What is not finite in a signal spreads within the
coefficients of that signal, maybe farther than the filter reaches, and not to other signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from numbers import Integral
from typing import Any

import pywt
import torch
from torch import Tensor

from signal_model.support.errors import InputError, closest
from signal_model.transforms.dwt.extension import MODES, Mode, Rule
from signal_model.transforms.dwt.filter_bank import Bank, Level, Levels, analyse, level_of, synthesise
from signal_model.transforms.precision import wide

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def wavedec(
    signal: Tensor, wavelet: str | pywt.Wavelet, mode: Mode = "symmetric", level: int | None = None
) -> list[Tensor]:
    """The coefficients [a_J, d_J, …, d_1] of signals (..., n), each (..., size), as `pywt.wavedec` orders them.

    `wavelet` is a discrete family of PyWavelets or a `pywt.Wavelet` with a filter bank of your own. Without `level`
    J is `pywt.dwt_max_level(n, filter length)`, which may be 0; more levels may be asked for, where every
    coefficient depends on the boundary mode (PyWavelets warns there; this does not). Level 0 is the signal itself.
    One NaN may make NaN of all coefficients of its signal, where PyWavelets loses those that the filter reaches.

    Raises InputError for an unknown wavelet or mode, a negative level, an empty signal, a dtype that is not a
    real floating-point one, and a single sample where the mode mirrors at samples (`reflect`, `antireflect`).

    Examples:
        >>> signal = torch.tensor([1.0, 1.0, 4.0, 4.0], dtype=torch.float64)
        >>> approximation, detail = wavedec(signal, "haar", level=1)
        >>> (approximation / 2**0.5).round(decimals=6).tolist(), detail.abs().max().item() < 1e-12
        ([1.0, 4.0], True)
    """
    values = _checked(signal, "signal")
    length = signal.shape[-1]
    analysis, _ = _banks(wavelet)
    _check_mode(mode)
    if level is None:
        level = pywt.dwt_max_level(length, analysis.taps)
    elif isinstance(level, bool) or not isinstance(level, Integral) or level < 0:
        raise InputError(f"level: {level!r} is not a whole number of at least 0")
    levels: list[Level] = []
    for number in range(1, int(level) + 1):
        if length == 1 and mode in ("reflect", "antireflect"):
            raise InputError(f"mode {mode!r} needs at least 2 samples; level {number} of this signal has 1")
        levels.append(level_of(analysis, mode, length))
        length = levels[-1].size
    if not levels:
        return [signal]
    bands = _Analysis.apply(values.reshape(-1, signal.shape[-1]), tuple(levels))
    return [band.to(signal.dtype).reshape(*signal.shape[:-1], band.shape[1]) for band in bands]


def waverec(coefficients: Sequence[Tensor], wavelet: str | pywt.Wavelet, mode: Mode = "symmetric") -> Tensor:
    """Signals (..., n) from coefficients [a_J, d_J, …, d_1] as `wavedec` gives them, as `pywt.waverec` does.

    A signal of odd length comes back with one sample more at its end, because its coefficients do not tell.
    For bands of zeros give zeros; None is not accepted.

    Raises InputError for an unknown wavelet or mode, and for coefficients that do not fit each other or the wavelet.

    Examples:
        >>> signal = torch.arange(16.0)
        >>> torch.allclose(waverec(wavedec(signal, "db2"), "db2"), signal, atol=1e-5)
        True
    """
    if not isinstance(coefficients, Sequence) or not coefficients:
        raise InputError("coefficients: a list [a_J, d_J, …, d_1] of tensors is needed")
    bands = [_checked(band, f"coefficients[{index}]") for index, band in enumerate(coefficients)]
    _, synthesis = _banks(wavelet)
    _check_mode(mode)
    first = coefficients[0]
    for index, band in enumerate(coefficients):
        if (band.shape[:-1], band.dtype, band.device) != (first.shape[:-1], first.dtype, first.device):
            raise InputError(f"coefficients[{index}]: {_described(band)} do not go with {_described(first)}")
    rule: Rule = "periodization with zero" if mode == "periodization" else "zero"
    lengths: list[int] = []
    length = bands[0].shape[-1]
    for index, band in enumerate(bands[1:], start=1):
        size = band.shape[-1]
        if length not in (size, size + 1):
            raise InputError(f"coefficients[{index}]: size {size} does not follow an approximation of size {length}")
        if lengths:  # where the finer band is one shorter, the approximation's last sample is dropped
            lengths[-1] = size
        length = 2 * size if mode == "periodization" else 2 * size - synthesis.taps + 2
        if length < 1:
            raise InputError(f"coefficients[{index}]: size {size} is too small for {synthesis.taps} taps")
        lengths.append(length)
    if not lengths:
        return first
    levels = tuple(level_of(synthesis, rule, length) for length in reversed(lengths))
    flat = [band.reshape(-1, band.shape[-1]) for band in bands]
    flat[0] = flat[0][:, : flat[1].shape[1]]
    signal: Tensor = _Synthesis.apply(levels, *flat)
    result: Tensor = signal.to(first.dtype).reshape(*first.shape[:-1], length)
    return result


def dwt(signal: Tensor, wavelet: str | pywt.Wavelet, mode: Mode = "symmetric") -> tuple[Tensor, Tensor]:
    """One level: approximation and detail, as `pywt.dwt`. See `wavedec`."""
    approximation, detail = wavedec(signal, wavelet, mode, level=1)
    return approximation, detail


def idwt(approximation: Tensor, detail: Tensor, wavelet: str | pywt.Wavelet, mode: Mode = "symmetric") -> Tensor:
    """The inverse of `dwt`, as `pywt.idwt`. See `waverec`."""
    return waverec([approximation, detail], wavelet, mode)


class _Analysis(torch.autograd.Function):
    """`analyse`, whose derivative is `synthesise`."""

    @staticmethod
    def forward(signals: Tensor, levels: Levels) -> tuple[Tensor, ...]:
        return tuple(analyse(signals, levels))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Levels], output: tuple[Tensor, ...]) -> None:
        ctx.levels = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Synthesis.apply(ctx.levels, *gradients), None

    @staticmethod
    def jvp(ctx: Any, signals: Tensor, _: None) -> tuple[Tensor, ...]:
        bands: tuple[Tensor, ...] = _Analysis.apply(signals, ctx.levels)
        return bands

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], signals: Tensor, levels: Levels) -> tuple[Any, tuple[int, ...]]:
        bands = _Analysis.apply(signals.movedim(in_dims[0], 0).flatten(0, 1), levels)
        return tuple(band.unflatten(0, (info.batch_size, -1)) for band in bands), (0,) * len(bands)


class _Synthesis(torch.autograd.Function):
    """`synthesise`, whose derivative is `analyse`."""

    @staticmethod
    def forward(levels: Levels, *bands: Tensor) -> Tensor:
        return synthesise(bands, levels)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.levels = inputs[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_Analysis.apply(gradient, ctx.levels)

    @staticmethod
    def jvp(ctx: Any, _: None, *bands: Tensor) -> Tensor:
        signals: Tensor = _Synthesis.apply(ctx.levels, *bands)
        return signals

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], levels: Levels, *bands: Tensor) -> tuple[Tensor, int]:
        rows = [
            band.expand(info.batch_size, *band.shape) if dim is None else band.movedim(dim, 0)
            for band, dim in zip(bands, in_dims[1:], strict=True)
        ]
        signals = _Synthesis.apply(levels, *(row.flatten(0, 1) for row in rows))
        return signals.unflatten(0, (info.batch_size, -1)), 0


def _checked(values: Any, name: str) -> Tensor:
    """`values` in the dtype that they are computed in."""
    if not isinstance(values, Tensor):
        raise InputError(f"{name}: a tensor is needed, not {type(values).__name__}")
    if values.dtype not in DTYPES:
        raise InputError(f"{name}: dtype {values.dtype} is not one of {', '.join(map(str, DTYPES))}")
    if values.dim() == 0 or values.shape[-1] == 0:
        raise InputError(f"{name}: shape {tuple(values.shape)} has no samples along its last axis")
    return wide(values)


def _described(band: Tensor) -> str:
    return f"shape {tuple(band.shape)}, {band.dtype}, {band.device}"


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise InputError(f"mode: {mode!r} is not one of {', '.join(MODES)}{closest(mode, MODES)}")


def _banks(wavelet: str | pywt.Wavelet) -> tuple[Bank, Bank]:
    """The banks whose `analyse` decomposes, and whose `synthesise` puts together again."""
    if isinstance(wavelet, str):
        return _named_banks(wavelet)
    if not isinstance(wavelet, pywt.Wavelet):
        raise InputError(f"wavelet: a name or a pywt.Wavelet is needed, not {type(wavelet).__name__}")
    return _banks_of(*(tuple(taps) for taps in wavelet.filter_bank))


@lru_cache(maxsize=256)
def _named_banks(name: str) -> tuple[Bank, Bank]:
    names = pywt.wavelist(kind="discrete")
    if name.lower() not in names:
        raise InputError(f"wavelet: {name!r} is not in pywt.wavelist(kind='discrete'){closest(name, names)}")
    return _banks(pywt.Wavelet(name))


@lru_cache(maxsize=256)
def _banks_of(
    dec_lo: tuple[float, ...], dec_hi: tuple[float, ...], rec_lo: tuple[float, ...], rec_hi: tuple[float, ...]
) -> tuple[Bank, Bank]:
    # PyWavelets' inverse is the adjoint of an analysis with the reconstruction filters turned round.
    return Bank(dec_lo, dec_hi), Bank(rec_lo[::-1], rec_hi[::-1])
