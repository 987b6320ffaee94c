"""Signals beyond their ends: the nine boundary modes of PyWavelets as linear maps.

Every mode continues a signal x(0) … x(n-1) by samples that are linear in it, at most three terms each.
`extension_terms` is the one definition; `edge_matrix` makes of it the small matrix that a transform
multiplies the signal's ends with.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Mode = Literal[
    "zero",
    "constant",
    "symmetric",
    "periodic",
    "smooth",
    "periodization",
    "reflect",
    "antisymmetric",
    "antireflect",
]
MODES: tuple[Mode, ...] = get_args(Mode)

# The adjoint of an inverse transform by periodization that drops its last sample: a zero stands for that sample.
Rule = Mode | Literal["periodization with zero"]


def extension_terms(rule: Rule, length: int, positions: Tensor) -> list[tuple[Tensor, Tensor]]:
    """x(t) at any whole `positions` t as Σ weight · x(index): (index, weight) pairs, each like `positions`.

    Positions inside 0 … length-1 give the signal itself. Extensions longer than the signal repeat it as
    PyWavelets does: mirrored, wrapped or turned again. Weights are float64.
    """
    t, last = positions, length - 1
    one = torch.ones_like(t, dtype=torch.float64)
    if length == 1 and rule in ("smooth", "reflect", "antireflect"):
        rule = "constant"  # one sample has no slope and nothing to be mirrored
    match rule:
        case "zero":
            return [(t.clamp(0, last), one * ((t >= 0) & (t <= last)))]
        case "constant":
            return [(t.clamp(0, last), one)]
        case "periodic":
            return [(t % length, one)]
        case "periodization":  # an odd length is made even by repeating the last sample
            return [((t % (length + length % 2)).clamp(max=last), one)]
        case "periodization with zero":
            wrapped = t % (length + length % 2)
            return [(wrapped.clamp(max=last), one * (wrapped <= last))]
        case "symmetric" | "antisymmetric":  # mirrored between samples: x(-1) = ±x(0)
            turns, rest = t // length, t % length
            index = torch.where(turns % 2 == 0, rest, last - rest)
            return [(index, one if rule == "symmetric" else one - 2 * (turns % 2))]
        case "reflect":  # mirrored at samples: x(-1) = x(1)
            turns, rest = t // last, t % last
            return [(torch.where(turns % 2 == 0, rest, last - rest), one)]
        case "antireflect":  # turned by 180° about the end samples: x(-1) = 2 x(0) - x(1)
            turns, rest = t // last, t % last
            odd = turns % 2
            index = torch.where(odd == 0, rest, last - rest)
            return [(index, one - 2 * odd), (0 * t, one * (odd - turns)), (0 * t + last, one * (odd + turns))]
        case "smooth":  # straight on: x(-1) = x(0) + (x(0) - x(1))
            inside = t.clamp(0, last)
            beyond = t - inside
            neighbour = torch.where(beyond < 0, 1, last - 1).clamp(0, last)
            distance = one * beyond.abs()
            return [(inside, one + distance), (neighbour, -distance)]


def edge_width(length: int, left: int, right: int) -> int:
    """How many samples at each end an extension by `left` and `right` reads; 0: all of a short signal."""
    width = max(left, right) + 1
    return width if length > 2 * width else 0


def edge_matrix(rule: Rule, length: int, left: int, right: int) -> Tensor:
    """What the samples at a signal's ends contribute to its extension: (edge samples, left + right), float64.

    With width w = `edge_width(length, left, right)` the rows stand for x(0) … x(w-1), x(n-w) … x(n-1), or,
    if w is 0, for the whole signal; the columns for positions -left … -1, n … n+right-1.
    """
    width = edge_width(length, left, right)
    positions = torch.cat([torch.arange(-left, 0), torch.arange(length, length + right)])
    matrix = torch.zeros(2 * width or length, left + right, dtype=torch.float64)
    columns = torch.arange(left + right)
    for index, weight in extension_terms(rule, length, positions):
        row = torch.where(index < width, index, index - (length - 2 * width)) if width else index
        matrix.index_put_((row, columns), weight, accumulate=True)
    return matrix
