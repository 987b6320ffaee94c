"""Expected improvement of the hypervolume, exact for any number of objectives. Smaller values are better."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from scipy.special import ndtr

from hrfevo.pareto import Hypervolume

# The reference point of the hypervolume lies beyond the worst of the front by so many times its extent.
REFERENCE_MARGIN = 1.0


@dataclass(frozen=True)
class Beliefs:
    """What is believed of N points: their objectives are normal numbers, or the logarithms of their distances are.

    Means and deviations are (N, objectives). `origins` (objectives,) says from where distances count, and is not a
    number for an objective that is normal itself.
    """

    means: np.ndarray
    deviations: np.ndarray
    origins: np.ndarray

    @property
    def medians(self) -> np.ndarray:
        """In units of the objectives, (N, objectives)."""
        normal = np.isnan(self.origins)
        return np.where(normal, self.means, self.origins + np.exp(np.where(normal, 0.0, self.means)))

    def as_told(self, correlations: np.ndarray) -> Beliefs:
        """What will be believed to be best of the same points, seen from now, once something is measured that goes
        with their objectives so far, (N, objectives): means move by so much less than the truth is away from them."""
        return Beliefs(self.means, np.maximum(self.deviations * correlations, 1e-12), self.origins)

    def below(self, objective: int, limits: np.ndarray) -> np.ndarray:
        """Chance to be below each limit, for each point, (N, limits)."""
        found: np.ndarray = ndtr(self._standardised(objective, limits))
        return found

    def shortfall(self, objective: int, limits: np.ndarray) -> np.ndarray:
        """E (limit - Y)⁺ for each point and limit, (N, limits).

        σ (z Φ(z) + φ(z)) with z = (limit - μ) / σ for a normal number; for one whose distance d has a normal logarithm
        d Φ(z) - e^(μ + σ²/2) Φ(z - σ) with d that of the limit and z = (log d - μ) / σ (Black & Scholes 1973).
        """
        mean, deviation = self.means[:, objective, None], self.deviations[:, objective, None]
        z = self._standardised(objective, limits)
        if not np.isnan(self.origins[objective]):
            distance = np.maximum(limits - self.origins[objective], 1e-300)
            found = np.maximum(distance * ndtr(z) - np.exp(mean + deviation**2 / 2) * ndtr(z - deviation), 0.0)
        else:
            # 40 deviations below its mean nothing falls; so far below infinity would be no number.
            z = np.maximum(z, -40.0)
            found = deviation * (z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
        result: np.ndarray = np.where(np.isneginf(limits), 0.0, found)
        return result

    def _standardised(self, objective: int, limits: np.ndarray) -> np.ndarray:
        mean, deviation = self.means[:, objective, None], self.deviations[:, objective, None]
        if not np.isnan(self.origins[objective]):
            limits = np.where(np.isneginf(limits), limits, np.log(np.maximum(limits - self.origins[objective], 1e-300)))
        found: np.ndarray = (limits - mean) / deviation
        return found


@dataclass(frozen=True)
class Boxes:
    """The part of the space below a reference that no point of a front dominates, cut into disjoint boxes.

    Their sides are at few places, those of the front's points. `limits` holds these for each objective, of which the
    first may be minus infinity, and `sides` (boxes, 2) the numbers of each box's lower and upper one.
    """

    limits: Sequence[np.ndarray]
    sides: Sequence[np.ndarray]

    @classmethod
    def beyond(cls, front: np.ndarray, reference: np.ndarray) -> Boxes:
        """Of a front (n, objectives)."""
        below = front[(front < reference).all(axis=1)]
        corners = np.array(_boxes(below.tolist(), tuple(reference.tolist())))
        found = [np.unique(corners[:, :, column], return_inverse=True) for column in range(len(reference))]
        return cls([limits for limits, _ in found], [numbers.reshape(-1, 2) for _, numbers in found])

    def improvement(self, beliefs: Beliefs) -> np.ndarray:
        """Expected growth of the hypervolume by each of N points whose objectives are independent, (N,).

        The growth is a sum over boxes of products over objectives, Π_j ((u_j - Y_j)⁺ - (l_j - Y_j)⁺), so its
        expectation is one of products of expectations (Yang, Emmerich, Deutz & Bäck 2019, J. Global Optimization 75).
        """
        found: np.ndarray = np.maximum(self._products(beliefs.shortfall), 0.0).sum(axis=1)
        return found

    def chance(self, beliefs: Beliefs) -> np.ndarray:
        """Of each of N points to lie here, (N,)."""
        found: np.ndarray = self._products(beliefs.below).sum(axis=1)
        return found

    def _products(self, upto: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
        """Of what there is up to each limit of an objective, (N, limits): what is between the sides of each box,
        multiplied over objectives, (N, boxes)."""
        there = [upto(objective, limits) for objective, limits in enumerate(self.limits)]
        between = [one[:, sides[:, 1]] - one[:, sides[:, 0]] for one, sides in zip(there, self.sides, strict=True)]
        return functools.reduce(np.multiply, between)


@dataclass(frozen=True)
class Target:
    """A front to improve on, in the box whose hypervolume counts."""

    boxes: Boxes
    volume: float
    """Of the box from the best of each objective to the reference."""

    @classmethod
    def beyond(cls, points: np.ndarray, others: np.ndarray) -> Target:
        """Of points (n, objectives), of which there may be none; others (m, objectives) only say what there is to
        expect.

        The reference is as far beyond the worst of the front of all as `REFERENCE_MARGIN` says, but no farther than the
        worst of all. A near one forgets the ends of the front, and for ever what lies beyond the ends that it has so
        far; one far away, as the worst random genomes are, makes the ends all that counts.
        """
        known = np.concatenate([points, others])
        front = known[moocore.is_nondominated(known)]
        low, high = front.min(axis=0), front.max(axis=0)
        worst = np.minimum(high + REFERENCE_MARGIN * (high - low), known.max(axis=0))
        scale = Hypervolume.between(low, worst)
        own = points[moocore.is_nondominated(points)] if len(points) else points
        return cls(Boxes.beyond(own, scale.reference), scale.box)

    def improvement(self, beliefs: Beliefs) -> np.ndarray:
        """Expected growth of the hypervolume by each of N points, as a share of that of the box, (N,)."""
        return self.boxes.improvement(beliefs) / self.volume

    def chance(self, beliefs: Beliefs) -> np.ndarray:
        """Of each of N points to improve on the front, (N,)."""
        return self.boxes.chance(beliefs)


_Corner = tuple[float, ...]


def _boxes(front: list[list[float]], reference: _Corner) -> list[tuple[_Corner, _Corner]]:
    """Lower and upper corners, by a sweep along the last objective: at each point the boxes of the others change,
    and those that stay grow on."""
    front = sorted(front, key=lambda point: point[-1])
    if len(reference) <= 2:
        return _stairs(front, reference)
    began = dict.fromkeys(_boxes([], reference[:-1]), -math.inf)
    found: list[tuple[_Corner, _Corner]] = []
    passed: list[list[float]] = []
    for *shadow, here in front:
        if any(_reaches(other, shadow) for other in passed):
            continue
        passed = [other for other in passed if not _reaches(shadow, other)] + [shadow]
        now = dict.fromkeys(_boxes(passed, reference[:-1]))
        for box in [box for box in began if box not in now]:
            start = began.pop(box)
            if start < here:
                found.append(((*box[0], start), (*box[1], here)))
        for box in now:
            began.setdefault(box, here)
    return found + [((*box[0], start), (*box[1], reference[-1])) for box, start in began.items()]


def _reaches(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def _stairs(front: list[list[float]], reference: _Corner) -> list[tuple[_Corner, _Corner]]:
    """Of one or two objectives, of points in the order of the last one: what is left of the front, step by step."""
    *width, top = reference
    if not width:
        return [((-math.inf,), (min([top, *(point[0] for point in front)]),))]
    (left,), start = width, -math.inf
    found: list[tuple[_Corner, _Corner]] = []
    for first, last in front:
        if first < left:
            if start < last:
                found.append(((-math.inf, start), (left, last)))
            left, start = first, last
    return [*found, ((-math.inf, start), (left, top))]
