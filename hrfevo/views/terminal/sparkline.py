"""Small pictures made of characters: a curve in one line, a place among many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Values as blocks from the lowest to the highest of them, a space for one that is not finite.

    More values than `width` are drawn by the means of groups that are as even as can be.
    """
    count = min(width, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)] if count else [0]
    means = [_mean(values[a:b]) for a, b in itertools.pairwise(edges)]
    drawn = [value for value in means if math.isfinite(value)]
    low, high = min(drawn, default=0.0), max(drawn, default=0.0)
    step = (high - low) / (len(BLOCKS) - 1)
    return "".join(
        " " if not math.isfinite(value) else BLOCKS[round((value - low) / step) if step else 0] for value in means
    )


def place_bar(place: int, of: int, width: int = 24) -> str:
    """A line with a dot: at its left end for place 1, at its right for the last."""
    left = round((place - 1) / (of - 1) * (width - 1)) if of > 1 else 0
    return "─" * left + "●" + "─" * (width - 1 - left)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
