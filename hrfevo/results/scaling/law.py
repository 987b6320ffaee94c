"""Scaling laws: how a loss falls with size, fitted to means over seeds, and what those seeds leave open.

L(x) = E + A·(x / x₀)^-α, equation 2 of Hoffmann et al. 2022 (arXiv 2203.15556) along one line, on which tokens grow
with parameters by a rule. Fitted as there: the Huber loss of log L(x) - log loss, from many starts. For a given α the
law is linear in E and A, so the starts are a whole grid of α, closed in upon (variable projection, Golub & Pereyra
1973), and thousands of fits are made at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import huber

# Of the Huber loss in Hoffmann et al.; where means of seeds are known less well, so many standard errors of theirs:
# 95 % efficient for errors that are normal (Huber 1964).
DELTA, ERRORS = 1e-3, 1.345
# Exponents that are looked at: how far, how many at first, how many around the best of them and how often.
LOWEST, HIGHEST, STARTS, NEAR, CLOSER = 0.01, 3.0, 41, 9, 4
# Rounds of reweighting that make least squares a Huber loss: while exponents are far apart, and near the best.
ROUGH, FINE = 3, 10
# A law of three numbers takes three sizes; two give a straight line on logarithmic axes.
SIZES_OF_A_FLOOR = 3
DRAWS = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Law:
    """L(x) = `floor` + `scale` · (x / `reference`)^-`exponent`, in the unit of the loss.

    The three are numbers, or arrays (R,) of one law for each redrawing of the seeds. A `floor` of 0 is a power law.

    Examples:
        >>> law = Law(np.array(1.5), np.array(0.8), np.array(0.3), 1e6)
        >>> np.round(law.at(np.array([1e6, 1e9])), 3)
        array([2.3  , 1.601])
    """

    floor: np.ndarray
    scale: np.ndarray
    exponent: np.ndarray
    reference: float

    def at(self, sizes: np.ndarray) -> np.ndarray:
        """Losses at sizes (M,): (M,), or (R, M)."""
        logs = np.log(np.asarray(sizes, float) / self.reference)
        losses: np.ndarray = self.floor[..., None] + self.scale[..., None] * np.exp(-self.exponent[..., None] * logs)
        return losses

    @property
    def words(self) -> str:
        """`1.5000 + 0.8000 · (x / 1,000,000)^-0.300`; of a single law."""
        power = f"{float(self.scale):.4f} · (x / {self.reference:,.4g})^-{float(self.exponent):.3f}"
        return f"{float(self.floor):.4f} + {power}" if self.floor else power


def fit(sizes: np.ndarray, losses: np.ndarray, error: float = 0.0) -> Law:
    """The law of `losses` at `sizes` (K,), K ≥ 2: of one series (K,), or one of each (R, K).

    `error` is the standard error of the logarithm of a loss. Neither floor nor scale falls below 0: a loss that does
    not fall with size has a flat law. With fewer than three sizes the floor is 0.
    """
    series = np.atleast_2d(losses)
    logs = np.log(np.asarray(sizes, float))
    reference, delta = float(np.exp(logs.mean())), max(DELTA, ERRORS * error)
    offsets, has_floor = logs - logs.mean(), len(logs) >= SIZES_OF_A_FLOOR
    candidates = np.broadcast_to(np.linspace(np.log(LOWEST), np.log(HIGHEST), STARTS), (len(series), STARTS))
    rows = np.arange(len(series))
    for rounds in (ROUGH, *[FINE] * CLOSER):
        floors, scales, costs = _linear_fits(offsets, series, np.exp(candidates), delta, has_floor, rounds)
        best = costs.argmin(axis=1)
        found = Law(floors[rows, best], scales[rows, best], np.exp(candidates[rows, best]), reference)
        reach = candidates[:, 1] - candidates[:, 0]
        around = candidates[rows, best][:, None] + reach[:, None] * np.linspace(-1, 1, NEAR)
        candidates = np.clip(around, np.log(LOWEST), np.log(HIGHEST))
    if np.ndim(losses) == 1:
        return Law(found.floor[0], found.scale[0], found.exponent[0], reference)
    return found


def _linear_fits(
    offsets: np.ndarray, series: np.ndarray, exponents: np.ndarray, delta: float, has_floor: bool, rounds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Floors, scales and costs (R, G) of the best laws with these exponents (R, G), by `rounds` of reweighting.

    `offsets` (K,) are logarithms of sizes, `series` is (R, K).
    """
    # Errors relative to the loss are, as small as they are, those of its logarithm; both parts are relative to it too.
    one = 1 / series[:, None, :]
    power = np.exp(-exponents[..., None] * offsets) * one
    weights = np.ones_like(power)
    for _ in range(rounds):
        w1, wp = weights * one, weights * power
        a, b, c = (w1 * one).sum(-1), (w1 * power).sum(-1), (wp * power).sum(-1)
        p, q = w1.sum(-1), wp.sum(-1)
        scale_alone = q / c
        if has_floor:
            determinant = np.maximum(a * c - b * b, 1e-300)
            floor, scale = (p * c - q * b) / determinant, (q * a - p * b) / determinant
            flat = scale < 0
            floor, scale = np.where(flat, p / a, floor), np.where(flat, 0.0, scale)
            below = floor < 0
            floor, scale = np.where(below, 0.0, floor), np.where(below, scale_alone, scale)
        else:
            floor, scale = np.zeros_like(scale_alone), scale_alone
        residuals = np.log(floor[..., None] * one + scale[..., None] * power)
        weights = delta / np.maximum(np.abs(residuals), delta)
    return floor, scale, huber(delta, residuals).sum(-1)


# --- what seeds leave open ------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its 95 % interval over seeds, which are infinite where there is one seed alone."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, draws: np.ndarray | None) -> Interval:
        """`draws` (R,) are the value as other seeds would have given it; None where nothing is known of them."""
        if draws is None:
            return cls(value, -np.inf, np.inf)
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(draws, [tail, 1 - tail])
        return cls(value, float(low), float(high))

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def is_known(self) -> bool:
        """Whether more than one seed says how wide it is."""
        return bool(np.isfinite(self.low))

    def reaches(self, lowest: float, highest: float) -> bool:
        """Whether the value or a known end of its interval is as far out as values are looked for."""
        ends = [end for end in (self.low, self.value, self.high) if np.isfinite(end)]
        return bool(min(ends) <= lowest * (1 + 1e-6) or max(ends) >= highest * (1 - 1e-6))

    def words(self, form: str = ".4f", unit: str = "") -> str:
        """`2.1043 (95 % interval 2.0951 to 2.1130)`, a unit behind the value."""
        value = f"{self.value:{form}} {unit}".strip()
        if not self.is_known:
            return f"{value} (one seed, so nothing is known of its doubt)"
        return f"{value} (95 % interval {self.low:{form}} to {self.high:{form}})"


@dataclass(frozen=True)
class Seeds:
    """Losses of several sides at several sizes, paired by seed: for each size (sides, seeds of that size).

    How much seeds scatter, relative to the loss, is taken to be the same at all sizes, as there are few at each. What
    a seed does to all sides alike stays with it.
    """

    losses: tuple[np.ndarray, ...]

    @property
    def means(self) -> np.ndarray:
        """Geometric means over seeds, (sides, sizes)."""
        means: np.ndarray = np.exp(np.stack([np.log(one).mean(axis=1) for one in self.losses], axis=1))
        return means

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the scatter; 0 where each size has one seed."""
        return sum(one.shape[1] - 1 for one in self.losses)

    @property
    def error(self) -> float:
        """Standard error of the logarithm of a mean, over all sides and sizes; 0 where it is not known."""
        if not self.freedom:
            return 0.0
        residuals = self._residuals()
        return float(np.sqrt((residuals**2).mean() / np.mean([one.shape[1] for one in self.losses])))

    def redrawn(self, generator: np.random.Generator, counts: Sequence[int] = (), draws: int = DRAWS) -> np.ndarray:
        """Factors by which other seeds would have moved means: (draws, sides, sizes), near 1.

        `counts` are seeds of each size, those there are unless given. Each draw resamples the residuals of all sizes
        (bootstrap, Efron 1979) and is as wide as a scatter that is itself drawn, from its χ² distribution: so few
        seeds widen intervals as Student's t does. Needs some `freedom`.
        """
        residuals = self._residuals()
        widths = np.sqrt(self.freedom / generator.chisquare(self.freedom, draws))
        moved = []
        for count in counts or [one.shape[1] for one in self.losses]:
            chosen = generator.integers(residuals.shape[1], size=(draws, count))
            moved.append(residuals[:, chosen].mean(axis=-1) * widths)
        factors: np.ndarray = np.exp(np.stack(moved, axis=-1)).swapaxes(0, 1)
        return factors

    def _residuals(self) -> np.ndarray:
        """Of logarithms, (sides, seeds of all sizes), as wide as single seeds scatter."""
        several = [np.log(one) for one in self.losses if one.shape[1] > 1]
        parts = [
            (one - one.mean(axis=1, keepdims=True)) * np.sqrt(one.shape[1] / (one.shape[1] - 1)) for one in several
        ]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Crossing:
    """Where two laws cross between two sizes, `low` and `high`: the least such size, None if they do not.

    `share` is that of the redrawn laws which cross there, None where there is one seed alone.
    """

    at: Interval | None
    low: float
    high: float
    share: float | None


def crossing(first: Law, second: Law, low: float, high: float, redrawn: tuple[Law, Law] | None = None) -> Crossing:
    """Where two laws cross, each with its `redrawn` ones."""
    sizes = np.geomspace(low, high, 2001)
    (at,) = _first_root(sizes, (first.at(sizes) - second.at(sizes))[None])
    if redrawn is None:
        return Crossing(None if np.isnan(at) else Interval.of(float(at), None), low, high, None)
    roots = np.concatenate([_first_root(sizes, one.at(sizes) - other.at(sizes)) for one, other in _in_parts(*redrawn)])
    crossed = roots[~np.isnan(roots)]
    found = None if np.isnan(at) else Interval.of(float(at), crossed if len(crossed) else None)
    return Crossing(found, low, high, len(crossed) / len(roots))


def _in_parts(*laws: Law, size: int = 100) -> list[tuple[Law, ...]]:
    """Redrawn laws a hundred at a time: all of them at all sizes are large."""
    count = len(laws[0].floor)
    slices = [slice(start, start + size) for start in range(0, count, size)]
    return [tuple(Law(o.floor[s], o.scale[s], o.exponent[s], o.reference) for o in laws) for s in slices]


def _first_root(sizes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The first sign change of each series (R, M) along `sizes` (M,), by logarithm; NaN where there is none."""
    changes = np.sign(values[:, 1:]) * np.sign(values[:, :-1]) < 0
    rows = np.flatnonzero(changes.any(axis=1))
    place = changes[rows].argmax(axis=1)
    before, after = values[rows, place], values[rows, place + 1]
    share = before / (before - after)
    roots = np.full(len(values), np.nan)
    roots[rows] = np.exp(np.log(sizes[place]) + share * np.log(sizes[1] / sizes[0]))
    return roots
