"""Two-channel filter banks along the last axis, and their adjoints, as block matrix products.

One level of analysis extends a signal x at both ends and filters it at every second position,

    a(k) = Σ_j g(F-1-j) e(2k+j),   d(k) = Σ_j h(F-1-j) e(2k+j),   j = 0 … F-1,

where g and h are the filters and e is x with its extension. Blocks of both bands are products of overlapping windows of
the signal, zeros around it, with one small matrix, the same everywhere. What the extension adds is the product of the
samples at either end with another small matrix. Short signals are one product with the matrix of all their levels.
Every step is linear. Synthesis is the adjoint of analysis, so that each is the other's derivative.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from signal_model.transforms.dwt.extension import Rule, edge_matrix, edge_width

# Outputs of a band per window, and of a signal. 16 floats fill a vector register; fewer waste it, more multiply by more
# zeros. Runs of fewer are slow to copy.
BLOCK = 16
# Signals up to this length are multiplied by one matrix of all remaining levels, which is cheaper there.
SHORT = 128
# On CPUs so many samples are worked on at a time, so that temporaries stay in the cache and freed memory is used again.
CACHED_SAMPLES = 1 << 20


@dataclass(frozen=True, eq=False)
class Bank:
    """A low-pass and a high-pass filter of the same even length. Compared by identity, and cheap to hash."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @cached_property
    def taps(self) -> int:
        return len(self.low)


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a decomposition: signals of `length` samples, continued by `rule`. Made by `level_of`."""

    bank: Bank
    rule: Rule
    length: int

    @cached_property
    def circular(self) -> bool:
        return self.rule in ("periodization", "periodization with zero")

    @cached_property
    def size(self) -> int:
        """Samples per band."""
        return (self.length + 1) // 2 if self.circular else (self.length + self.bank.taps - 1) // 2

    @cached_property
    def left(self) -> int:
        """Samples that the extension adds at the left."""
        return self.bank.taps // 2 - 1 if self.circular else self.bank.taps - 2

    @cached_property
    def right(self) -> int:
        """Samples that the extension adds at the right."""
        return 2 * self.size + self.bank.taps - 2 - self.left - self.length


@lru_cache(maxsize=1024)
def level_of(bank: Bank, rule: Rule, length: int) -> Level:
    """The same level for the same arguments, so that what is kept for it is found again."""
    return Level(bank, rule, length)


Levels = tuple[Level, ...]  # finest first


def analyse(signals: Tensor, levels: Levels) -> list[Tensor]:
    """Coefficients [a_J, d_J, …, d_1] of signals (S, n), each (S, size of the level), as views of larger buffers."""
    if not signals.shape[0]:
        return [signals.new_empty(0, size) for size in (levels[-1].size, *(level.size for level in reversed(levels)))]
    with torch.autocast(signals.device.type, enabled=False):
        long, short = _long_and_short(levels)
        approximation, *details = _filter_all(signals, long) if long else [signals]
        if not short:
            return [approximation[:, : levels[-1].size], *details]
        matrix, sizes = _dense(short, signals.dtype, signals.device, adjoint=False)
        return [*_times([approximation], matrix).split(sizes, dim=1), *details]


def synthesise(bands: Sequence[Tensor], levels: Levels) -> Tensor:
    """The adjoint of `analyse`: bands [a_J, d_J, …, d_1] to signals (S, n), as a view of a larger buffer."""
    if not bands[0].shape[0]:
        return bands[0].new_empty(0, levels[0].length)
    with torch.autocast(bands[0].device.type, enabled=False):
        long, short = _long_and_short(levels)
        approximation, details = bands[0], bands[1 + len(short) :]
        if short:
            matrix, _ = _dense(short, approximation.dtype, approximation.device, adjoint=True)
            approximation = _times(bands[: 1 + len(short)], matrix)
        return _unfilter_all(approximation, details, long) if long else approximation


def _long_and_short(levels: Levels) -> tuple[Levels, Levels]:
    # Signals shorter than the filter grow from level to level: what follows a short one counts as short.
    count = next((index for index, level in enumerate(levels) if level.length <= SHORT), len(levels))
    return levels[:count], levels[count:]


def _parts(signals: Tensor, length: int) -> list[slice]:
    """Rows to work on at a time: all, or on CPUs as many as the cache holds."""
    count = signals.shape[0]
    rows = max(1, CACHED_SAMPLES // length) if signals.device.type == "cpu" else count
    return [slice(start, start + rows) for start in range(0, count, rows)]


def _filter_all(signals: Tensor, levels: Levels) -> list[Tensor]:
    """The bands [a_J, d_J, …, d_1] of signals (S, n), level by level; a_J may be overfull."""
    sizes = [level.size for level in levels]
    *details, approximation = [signals.new_empty(signals.shape[0], -(-n // BLOCK), BLOCK) for n in (*sizes, sizes[-1])]
    for rows in _parts(signals, levels[0].length):
        pieces = signals[rows, None]
        for level, detail in zip(levels, details, strict=True):
            pieces, values = _filter(pieces, level)
            detail[rows] = values
        approximation[rows] = pieces
    details = [detail.flatten(1)[:, :size] for detail, size in zip(details, sizes, strict=True)]
    return [approximation.flatten(1), *reversed(details)]


def _unfilter_all(approximation: Tensor, details: Sequence[Tensor], levels: Levels) -> Tensor:
    """The adjoint of `_filter_all`: bands a_J and [d_J, …, d_1] to signals (S, n)."""
    parts = _parts(approximation, levels[0].length)
    if len(parts) > 1:
        signals = approximation.new_empty(approximation.shape[0], levels[0].length)
        for rows in parts:
            signals[rows] = _unfilter_all(approximation[rows], [detail[rows] for detail in details], levels)
        return signals
    for detail, level in zip(details, reversed(levels), strict=True):
        approximation = _unfilter(approximation, detail, level)
    return approximation


def _filter(pieces: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """One level of analysis: approximation and detail in pieces (S, blocks, BLOCK), the last maybe overfull.

    The signals come in pieces too, (S, pieces, width): copying them between zeros is the first step anyway, and puts
    them together.
    """
    matrix = _analysis_matrix(level.bank, pieces.dtype, pieces.device)
    blocks = -(-level.size // BLOCK)
    rows, buffer = _between_zeros([pieces], level.left, level.length, 2 * BLOCK, blocks, matrix)
    signals = rows[0, :, level.left : level.left + level.length]
    outputs = _sliding_products(buffer, matrix, 2 * BLOCK).view(pieces.shape[0], -1)
    for source, target, matrix in _ends(level, pieces.dtype, pieces.device, adjoint=False):
        edge = signals[:, source]
        if level.rule == "smooth":
            edge = torch.diff(edge, dim=1, prepend=torch.zeros_like(edge[:, :1]))
        outputs[:, 2 * target.start : 2 * target.stop].addmm_(edge, matrix)
    # Blocks of one band and of the other in turn.
    approximation, detail = outputs.view(pieces.shape[0], -1, 2, BLOCK)[:, :blocks].unbind(2)
    return approximation, detail


def _unfilter(approximation: Tensor, detail: Tensor, level: Level) -> Tensor:
    """The adjoint of one level of analysis: (S, size or more) and (S, size) → (S, n)."""
    # Windows that start at pair 0 give the extended signal from its sample taps - 2 on; the signal may start before.
    ahead = level.bank.taps - 2 - level.left
    zeros = -(-ahead // 2)
    start = 2 * zeros - ahead
    matrix = _synthesis_matrix(level.bank, detail.dtype, detail.device)
    blocks = -(-(start + level.length) // BLOCK)
    bands = [approximation[:, None, : level.size], detail[:, None]]
    rows, buffer = _between_zeros(bands, zeros, level.size, BLOCK // 2, blocks, matrix)
    outputs = _sliding_products(buffer, matrix, BLOCK // 2).view(detail.shape[0], -1)
    signals = outputs[:, start : start + level.length]
    for target, source, matrix in _ends(level, detail.dtype, detail.device, adjoint=True):
        for band, part in zip(rows[:, :, zeros:], matrix.unbind(1), strict=True):
            signals[:, target].addmm_(band[:, source], part.t())
    return signals


def _between_zeros(
    inputs: list[Tensor], start: int, width: int, step: int, blocks: int, matrix: Tensor
) -> tuple[Tensor, Tensor]:
    """Inputs in pieces (S, pieces, k) as rows of which positions `start` … `start + width - 1` are not zero.

    Returned are the rows (inputs, S, row), and that one after the other with zeros at its end, for windows every
    `step` samples. The first so many `blocks` of a row reach into the next row's zeros at most: what is not finite in
    one signal would else reach another, even multiplied by zero.
    """
    count, pieces, size = inputs[0].shape
    beyond = matrix.shape[2] - step
    row = -(-max(start + pieces * size, blocks * step + beyond - start) // step) * step
    buffer = inputs[0].new_empty(len(inputs), count * row + beyond)
    buffer[:, count * row :] = 0
    rows = buffer[:, : count * row].view(-1, count, row)
    for target, values in zip(rows.unbind(), inputs, strict=True):
        target[:, start : start + pieces * size].view(count, pieces, size).copy_(values)
    rows[:, :, :start] = 0
    rows[:, :, start + width :] = 0
    return rows, buffer


def _times(pieces: Sequence[Tensor], matrix: Tensor) -> Tensor:
    """Rows put together from (S, k_1), (S, k_2), … times `matrix` (N, K), K = Σ k_i or one more: (S, N).

    A single piece may be overfull: what is beyond K is left out.
    """
    missing = matrix.shape[1] - sum(piece.shape[1] for piece in pieces)
    if len(pieces) > 1 or missing > 0:
        pieces = [torch.cat([*pieces, pieces[0].new_zeros(pieces[0].shape[0], missing)], dim=1)]
    return _sliding_products(pieces[0].reshape(1, -1), matrix[:, None], step=pieces[0].shape[1])


def _sliding_products(signals: Tensor, matrix: Tensor, step: int) -> Tensor:
    """Windows signals[:, i · step : i · step + K] times `matrix` (N, signals, K), K even: (windows, N).

    On CPUs float32 goes through a convolution with N channels: its kernels (oneDNN) read overlapping windows in place,
    and are twice as fast as the matrix product (MKL) on processors with AVX-512 that are not Intel's. With an odd K
    they are many times slower. Elsewhere a convolution may be carried out in lower precision (TF32), a product not.
    """
    outputs, count, window = matrix.shape
    if signals.device.type == "cpu" and signals.dtype == torch.float32:
        # One image of one channel. Strides that say "channels last" make the outputs of a window lie side by side.
        size = signals.shape[1]
        image = signals.as_strided((1, 1, count, size), (count * size, 1, size, 1))
        kernel = matrix.as_strided((outputs, 1, count, window), (count * window, 1, window, 1))
        return F.conv2d(image, kernel, stride=(1, step)).permute(0, 2, 3, 1).reshape(-1, outputs)
    return signals.unfold(1, window, step).transpose(0, 1).flatten(1) @ matrix.flatten(1).t()


@contextmanager
def _constants() -> Iterator[None]:
    """Matrices are made on the CPU in float64, and may be used in any later computation."""
    with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
        yield


@lru_cache(maxsize=256)
def _analysis_matrix(bank: Bank, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A window of the extended signal → a block of the approximation, then one of the detail."""
    with _constants():
        index = torch.arange(2 * BLOCK + bank.taps - 2) - 2 * torch.arange(BLOCK)[:, None]
        return _taps(bank, index).flatten(0, 1)[:, None].to(dtype).to(device)


@lru_cache(maxsize=256)
def _synthesis_matrix(bank: Bank, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Windows of both bands → a block of the extended signal, from its sample taps - 2 on where they start at 0."""
    with _constants():
        window = (BLOCK + bank.taps - 2) // 2
        pairs = torch.arange(window + window % 2)
        index = bank.taps - 2 + torch.arange(BLOCK)[:, None] - 2 * pairs
        return _taps(bank, index).transpose(0, 1).to(dtype).contiguous().to(device)


def _taps(bank: Bank, index: Tensor) -> Tensor:
    """Both filters, turned round, at any positions: (2, *index.shape), zero outside 0 … taps - 1."""
    taps = torch.tensor([bank.low, bank.high], dtype=torch.float64).flip(1)
    return taps[:, index.clamp(0, bank.taps - 1)] * ((index >= 0) & (index < bank.taps))


@lru_cache(maxsize=256)
def _ends(
    level: Level, dtype: torch.dtype, device: torch.device, *, adjoint: bool
) -> list[tuple[slice, slice, Tensor]]:
    """What a signal's extension adds to its bands: (samples of the signal, samples of a band, matrix).

    For `_filter` these are whole blocks of a band, and the matrix has the columns of one band and the other in turn.
    For its adjoint the matrix is (samples of the signal, bands, samples of a band). Extension and filter are multiplied
    in float64, for single extended samples can be far greater than what they add. In mode `smooth` the matrix for
    `_filter` takes differences of neighbours: slopes, multiplied by up to the filter's length, must not come from
    differences of large products.
    """
    taps, length, left, right, size = level.bank.taps, level.length, level.left, level.right, level.size
    with _constants():
        width = edge_width(length, left, right)
        extension = edge_matrix(level.rule, length, left, right)
        first_right = max(0, -(-(left + length - taps + 1) // 2))
        ends = [
            (torch.arange(left), extension[:, :left], 0, (left + 1) // 2),
            (torch.arange(left + length, left + length + right), extension[:, left:], first_right, size),
        ]
        sources = [slice(0, width), slice(length - width, length)] if width else [slice(0, length)]
        result = []
        for positions, columns, start, stop in ends:
            if not adjoint:
                start, stop = start // BLOCK * BLOCK, -(-stop // BLOCK) * BLOCK
            added = columns @ _taps(level.bank, positions[:, None] - 2 * torch.arange(start, stop))  # (2, edge, band)
            for source, matrix in zip(sources, added.transpose(0, 1).split(width or length), strict=True):
                if not matrix.any():
                    continue
                if not adjoint:
                    matrix = matrix.unflatten(2, (-1, BLOCK)).transpose(1, 2).flatten(1)
                    matrix = matrix.flip(0).cumsum(0).flip(0) if level.rule == "smooth" else matrix
                result.append((source, slice(start, stop), matrix.to(dtype).contiguous().to(device)))
        return result


@lru_cache(maxsize=64)
def _dense(levels: Levels, dtype: torch.dtype, device: torch.device, *, adjoint: bool) -> tuple[Tensor, list[int]]:
    """All `levels`, or their adjoint, as one matrix (outputs, inputs), inputs made even; and the sizes of its bands."""
    bands = _transformed_identity(levels)
    with _constants():
        matrix = torch.cat(bands, dim=1)
        matrix = matrix if adjoint else matrix.t()
        matrix = F.pad(matrix, (0, matrix.shape[1] % 2))
        return matrix.to(dtype).contiguous().to(device), [band.shape[1] for band in bands]


@lru_cache(maxsize=16)
def _transformed_identity(levels: Levels) -> list[Tensor]:
    with _constants():
        approximation, *details = _filter_all(torch.eye(levels[0].length, dtype=torch.float64), levels)
        return [approximation[:, : levels[-1].size], *details]
