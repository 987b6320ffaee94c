"""Two-channel filter banks along the last axis, and their adjoints, as block matrix products.

One level of analysis extends a signal x at both ends and filters it at every second position,

    a(k) = Σ_j g(F-1-j) e(2k+j),   d(k) = Σ_j h(F-1-j) e(2k+j),   j = 0 … F-1,

where g and h are the filters and e is x with its extension. Blocks of outputs are products of overlapping windows of
the signal, zeros around it, with one small matrix, the same everywhere. What the extension adds is the product of the
samples at either end with another small matrix. Short signals are one product with the matrix of all their levels.
Every step is linear. Synthesis is the adjoint of analysis, so that each is the other's derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from signal_model.transforms.extension import Rule, edge_matrix, edge_width

# Outputs per window, at least. 16 floats fill one vector register; fewer waste it, more multiply by more zeros.
LEAST_BLOCK = 16
# Signals up to this length are multiplied by one matrix of all remaining levels, which is cheaper there.
SHORT = 72
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

    @cached_property
    def block(self) -> int:
        """Outputs per window: enough that a window ends within the next block."""
        return LEAST_BLOCK * max(1, -(-(self.taps - 2) // LEAST_BLOCK))

    @cached_property
    def window(self) -> int:
        return self.block + self.taps - 2


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

    def row(self, samples: int) -> int:
        """The width of a buffer's row, in whole blocks, whose windows for `samples` outputs lie inside the row.

        What is not finite in one signal does therefore not reach another, not even multiplied by zero.
        """
        return (-(-samples // self.bank.block) + min(1, self.bank.taps - 2)) * self.bank.block


@lru_cache(maxsize=1024)
def level_of(bank: Bank, rule: Rule, length: int) -> Level:
    """The same level for the same arguments, so that what is kept for it is found again."""
    return Level(bank, rule, length)


Levels = tuple[Level, ...]  # finest first


def analyse(signals: Tensor, levels: Levels) -> list[Tensor]:
    """Coefficients [a_J, d_J, …, d_1] of signals (S, n), each (S, size of the level), as views of larger buffers."""
    if not signals.shape[0]:
        return [signals.new_empty(0, size) for size in (levels[-1].size, *(level.size for level in reversed(levels)))]
    return _in_parts(lambda parts: _analyse(parts[0], levels), [signals], levels)


def synthesise(bands: Sequence[Tensor], levels: Levels) -> Tensor:
    """The adjoint of `analyse`: bands [a_J, d_J, …, d_1] to signals (S, n), as a view of a larger buffer."""
    if not bands[0].shape[0]:
        return bands[0].new_empty(0, levels[0].length)
    (signals,) = _in_parts(lambda parts: [_synthesise(parts, levels)], bands, levels)
    return signals


def _in_parts(
    transform: Callable[[list[Tensor]], list[Tensor]], inputs: Sequence[Tensor], levels: Levels
) -> list[Tensor]:
    """`transform` applied to all rows at once, or on CPUs to as many at a time as the cache holds."""
    count = inputs[0].shape[0]
    device = inputs[0].device.type
    rows = max(1, CACHED_SAMPLES // levels[0].length) if device == "cpu" else count
    with torch.autocast(device, enabled=False):
        if count <= rows:
            return transform(list(inputs))
        results: list[Tensor] = []
        for start in range(0, count, rows):
            parts = transform([tensor[start : start + rows] for tensor in inputs])
            results = results or [part.new_empty(count, part.shape[1]) for part in parts]
            for result, part in zip(results, parts, strict=True):
                result[start : start + rows] = part
        return results


def _analyse(signals: Tensor, levels: Levels) -> list[Tensor]:
    long, short = _long_and_short(levels)
    approximation, *details = _filter_all(signals, long)
    if not short:
        return [approximation, *details]
    matrix, sizes = _dense(short, signals.dtype, signals.device, adjoint=False)
    return [*_times([approximation], matrix).split(sizes, dim=1), *details]


def _synthesise(bands: list[Tensor], levels: Levels) -> Tensor:
    long, short = _long_and_short(levels)
    approximation, details = bands[0], bands[1 + len(short) :]
    if short:
        matrix, _ = _dense(short, approximation.dtype, approximation.device, adjoint=True)
        approximation = _times(bands[: 1 + len(short)], matrix)
    for detail, level in zip(details, reversed(long), strict=True):
        approximation = _unfilter(approximation, detail, level)
    return approximation


def _long_and_short(levels: Levels) -> tuple[Levels, Levels]:
    # Signals shorter than the filter grow from level to level: what follows a short one counts as short.
    count = next((index for index, level in enumerate(levels) if level.length <= SHORT), len(levels))
    return levels[:count], levels[count:]


def _filter_all(signals: Tensor, levels: Levels) -> list[Tensor]:
    """The bands [a_J, d_J, …, d_1] of signals (S, n), level by level."""
    pieces, details = signals[:, None], []
    for level in levels:
        pieces, detail = _filter(pieces, level)
        details.append(detail.reshape(signals.shape[0], -1)[:, : level.size])
    approximation = pieces.reshape(signals.shape[0], -1)[:, : levels[-1].size] if levels else signals
    return [approximation, *reversed(details)]


def _filter(pieces: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """One level of analysis: approximation and detail in pieces (S, blocks, block / 2), the last maybe overfull.

    The signals come in pieces too, (S, pieces, width): copying them between zeros is the first step anyway, and puts
    them together.
    """
    count, number, width = pieces.shape
    block, start, end = level.bank.block, level.left, level.left + level.length
    row = level.row(2 * level.size)
    buffer = pieces.new_empty(count * row + block)
    rows = buffer[: count * row].view(count, row)
    rows[:, start : start + number * width].view(count, number, width).copy_(pieces)
    rows[:, :start] = 0
    rows[:, end:] = 0
    signals = rows[:, start:end]
    matrix = _analysis_matrix(level.bank, pieces.dtype, pieces.device)
    outputs = _sliding_products(buffer, matrix, block)[: count * row // block].view(count, row)
    for source, target, matrix in _ends(level, pieces.dtype, pieces.device, blocks=True):
        edge = signals[:, source]
        if level.rule == "smooth":
            edge = torch.diff(edge, dim=1, prepend=torch.zeros_like(edge[:, :1]))
        outputs[:, target].addmm_(edge, matrix)
    blocks = outputs.view(count, row // block, 2, block // 2)[:, : -(-2 * level.size // block)]
    return blocks[:, :, 0], blocks[:, :, 1]


def _unfilter(approximation: Tensor, detail: Tensor, level: Level) -> Tensor:
    """The adjoint of one level of analysis: two bands (S, size) → (S, n)."""
    count, size = detail.shape
    block = level.bank.block
    # Windows that start at pair 0 give the extended signal from its sample taps - 2 on; the signal may start before.
    ahead = level.bank.taps - 2 - level.left
    zeros = -(-ahead // 2)
    start = 2 * zeros - ahead
    row = level.row(max(start + level.length, 2 * (zeros + size)))
    buffer = detail.new_empty(count * row + block)
    rows = buffer[: count * row].view(count, row)
    # Sample by sample: a(0) d(0) a(1) d(1) …, which is how complex numbers lie in memory.
    pairs = torch.view_as_complex(rows.view(count, row // 2, 2))
    torch.complex(approximation[:, :size], detail, out=pairs[:, zeros : zeros + size])
    rows[:, : 2 * zeros] = 0
    rows[:, 2 * (zeros + size) :] = 0
    bands = rows[:, 2 * zeros : 2 * (zeros + size)]
    matrix = _synthesis_matrix(level.bank, detail.dtype, detail.device)
    outputs = _sliding_products(buffer, matrix, block)[: count * row // block].view(count, row)
    signals = outputs[:, start : start + level.length]
    for target, source, matrix in _ends(level, detail.dtype, detail.device, blocks=False):
        signals[:, target].addmm_(bands[:, source], matrix.t())
    return signals


def _times(pieces: list[Tensor], matrix: Tensor) -> Tensor:
    """Rows put together from (S, k_1), (S, k_2), … times `matrix` (N, K), K = Σ k_i or one more: (S, N)."""
    missing = matrix.shape[1] - sum(piece.shape[1] for piece in pieces)
    rows = torch.cat([*pieces, pieces[0].new_zeros(pieces[0].shape[0], missing)], dim=1)
    return _sliding_products(rows.view(-1), matrix, step=matrix.shape[1])


def _sliding_products(signal: Tensor, matrix: Tensor, step: int) -> Tensor:
    """Windows signal[i · step : i · step + K] times `matrix` (N, K): (windows, N).

    On CPUs float32 goes through a convolution with N channels: its kernels (oneDNN) read overlapping windows in place,
    and are twice as fast as the matrix product (MKL) on processors with AVX-512 that are not Intel's. With an odd K
    they are many times slower. Elsewhere a convolution may be carried out in lower precision (TF32), a product not.
    """
    outputs, window = matrix.shape
    if signal.device.type == "cpu" and signal.dtype == torch.float32:
        # One image of one row and one channel. Strides that say "channels last" make outputs lie side by side.
        size = signal.shape[0]
        image = signal.as_strided((1, 1, 1, size), (size, 1, size, 1))
        kernel = matrix.as_strided((outputs, 1, 1, window), (window, 1, window, 1))
        return F.conv2d(image, kernel, stride=(1, step)).permute(0, 2, 3, 1).reshape(-1, outputs)
    return signal.unfold(0, window, step) @ matrix.t()


@contextmanager
def _constants() -> Iterator[None]:
    """Matrices are made on the CPU in float64, and may be used in any later computation."""
    with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
        yield


@lru_cache(maxsize=256)
def _analysis_matrix(bank: Bank, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A window of the extended signal → half a block of the approximation, then half a block of the detail."""
    with _constants():
        block = bank.block
        index = torch.arange(block + bank.taps - 2) - 2 * torch.arange(block // 2)[:, None]
        return _taps(bank, index).flatten(0, 1).to(dtype).to(device)


@lru_cache(maxsize=256)
def _synthesis_matrix(bank: Bank, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A window of pairs (a, d) → a block of the extended signal, from its sample F - 2 on where the pairs start it."""
    with _constants():
        block = bank.block
        index = bank.taps - 2 + torch.arange(block)[:, None] - 2 * torch.arange((block + bank.taps - 2) // 2)
        return _taps(bank, index).permute(1, 2, 0).flatten(1).to(dtype).contiguous().to(device)


def _taps(bank: Bank, index: Tensor) -> Tensor:
    """Both filters, turned round, at any positions: (2, *index.shape), zero outside 0 … taps - 1."""
    taps = torch.tensor([bank.low, bank.high], dtype=torch.float64).flip(1)
    return taps[:, index.clamp(0, bank.taps - 1)] * ((index >= 0) & (index < bank.taps))


@lru_cache(maxsize=256)
def _ends(level: Level, dtype: torch.dtype, device: torch.device, *, blocks: bool) -> list[tuple[slice, slice, Tensor]]:
    """What a signal's extension adds to its bands: (samples of the signal, columns of the bands, matrix).

    The bands lie as `_filter` computes them (`blocks`: half a block of one, half a block of the other), or in pairs.
    Extension and filter are multiplied in float64, for single extended samples can be far greater than what they add.
    In mode `smooth` the matrix for `_filter` takes differences of neighbours: slopes, multiplied by up to the filter's
    length, must not come from differences of large products.
    """
    taps, half = level.bank.taps, level.bank.block // 2
    length, left, right, size = level.length, level.left, level.right, level.size
    with _constants():
        width = edge_width(length, left, right)
        extension = edge_matrix(level.rule, length, left, right)
        first_right = max(0, -(-(left + length - taps + 1) // 2))
        ends = [
            (torch.arange(left), extension[:, :left], range((left + 1) // 2)),
            (torch.arange(left + length, left + length + right), extension[:, left:], range(first_right, size)),
        ]
        sources = [slice(0, width), slice(length - width, length)] if width else [slice(0, length)]
        result = []
        for positions, columns, outputs in ends:
            if not outputs or not columns.any():
                continue
            if blocks:  # whole blocks
                outputs = range(outputs.start // half * half, -(-outputs.stop // half) * half)
            added = columns @ _taps(level.bank, positions[:, None] - 2 * torch.tensor(outputs))  # (2, edge, outputs)
            added = added.unflatten(2, (-1, half)).permute(1, 2, 0, 3) if blocks else added.permute(1, 2, 0)
            target = slice(2 * outputs.start, 2 * outputs.stop)
            for source, matrix in zip(sources, added.flatten(1).split(width or length), strict=True):
                if blocks and level.rule == "smooth":
                    matrix = matrix.flip(0).cumsum(0).flip(0)
                if matrix.any():
                    result.append((source, target, matrix.to(dtype).contiguous().to(device)))
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
        return _filter_all(torch.eye(levels[0].length, dtype=torch.float64), levels)
