"""Numbers from a low to a high end, evenly or by ratio: the one place that knows about logarithms and rounding."""

from __future__ import annotations

import math

DIGITS = 6


def check_range(low: float, high: float, log: bool) -> None:
    """Raises ValueError unless numbers can be drawn between the ends."""
    if not low < high:
        raise ValueError(f"low must be below high, got low {low:g} and high {high:g}")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range starts above 0, got low {low:g}")
    if not math.isfinite(high / low if log else high - low):
        raise ValueError(f"low {low:g} and high {high:g} are too far apart for floating-point numbers")


def rounded(value: float) -> float:
    """To six significant digits: what is stored, shown and trained is the same number."""
    return float(f"{value:.{DIGITS}g}")


def between(unit: float, low: float, high: float, log: bool) -> float:
    """The number at a share of the range; shares outside of [0, 1] are moved to the end."""
    unit = min(max(unit, 0.0), 1.0)
    return float(low * (high / low) ** unit if log else low + (high - low) * unit)


def scaled(unit: float, low: float, high: float, log: bool) -> float:
    """The same as a value of a gene: rounded, and within the range for all that."""
    return min(max(rounded(between(unit, low, high, log)), low), high)


def unscaled(value: float, low: float, high: float, log: bool) -> float:
    """The share of the range, in [0, 1], at which a value is."""
    unit = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
    return min(max(unit, 0.0), 1.0)
