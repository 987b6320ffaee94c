"""Who is better: dominance, fronts that grow point by point, hypervolume. Smaller values are better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

# So many points of a sequence are compared with a front at once.
BLOCK = 1000


def joined(front: np.ndarray, point: np.ndarray) -> np.ndarray:
    """A front (n, objectives) with one point more; the same array where something on it is as good.

    Examples:
        >>> front = joined(np.array([[1.0, 5.0], [4.0, 2.0]]), np.array([2.0, 3.0]))
        >>> front.tolist()
        [[1.0, 5.0], [4.0, 2.0], [2.0, 3.0]]
        >>> joined(front, np.array([2.0, 4.0])) is front  # (2, 3) is better
        True
    """
    if (front <= point).all(axis=1).any():
        return front
    return np.vstack([front[~(point <= front).all(axis=1)], point])


def non_dominated(points: np.ndarray) -> np.ndarray:
    """Which of points (n, objectives) no other dominates, (n,) bool; equal ones all, or none of them.

    Up to three objectives in O(n log n) (Kung, Luccio & Preparata 1975, Journal of the ACM 22), by moocore.

    Examples:
        >>> non_dominated(np.array([[1.0, 5.0], [4.0, 2.0], [4.0, 5.0], [1.0, 5.0]])).tolist()
        [True, True, False, True]
    """
    import moocore

    if not len(points):
        return np.zeros(0, bool)
    found: np.ndarray = moocore.is_nondominated(points, keep_weakly=True)
    return found


def dominated_share(points: np.ndarray, by: np.ndarray) -> float:
    """The share of `points` (n, objectives) that some point of `by` (m, objectives) dominates.

    The coverage of Zitzler & Thiele 1999, but for equal points, which do not dominate one another.
    """
    if not len(points) or not len(by):
        return 0.0
    no_worse = np.all(by[None] <= points[:, None], axis=2)
    better = np.any(by[None] < points[:, None], axis=2)
    return float(np.mean(np.any(no_worse & better, axis=1)))


@dataclass(frozen=True)
class Hypervolume:
    """The volume that points dominate below a reference point, in one scale for all objectives.

    The size of the space covered (Zitzler & Thiele 1999, IEEE Trans. Evolutionary Computation 3), exact by moocore
    (Fonseca, Paquete & López-Ibáñez 2006). The box from `ideal` to `reference`, both (objectives,), is 1, so that
    parameters in millions and losses below one weigh alike; `unit` is the share of that box which counts as 1 instead.
    A point beyond the reference in any objective adds nothing. One better than the ideal adds more than the box has.

    Examples:
        >>> scale = Hypervolume.around(np.array([[1.0, 400.0], [3.0, 200.0]]))
        >>> scale.of(np.array([[2.0, 300.0]]))
        0.25
        >>> places, volumes = scale.growth(np.array([[2.0, 300.0], [2.5, 350.0], [1.0, 300.0]]))
        >>> places.tolist(), volumes.tolist()
        ([0, 2], [0.25, 0.5])
    """

    ideal: np.ndarray
    reference: np.ndarray
    unit: float = 1.0

    @classmethod
    def between(cls, ideal: np.ndarray, worst: np.ndarray, margin: float = 0.0) -> Self:
        """The reference lies beyond the worst by a margin, in shares of the range.

        Without one the ends of a front, each the worst in some objective, add nothing (Ishibuchi, Imada, Setoguchi &
        Nojima 2018, Evolutionary Computation 26). An objective whose ideal and worst are equal tells nobody apart: its
        side is as long as its value is large, 1 for 0, and whoever is as good has attained all of it.
        """
        alone = ideal + np.where(ideal != 0, np.abs(ideal), 1.0)
        return cls(ideal, np.where(worst > ideal, worst + margin * (worst - ideal), alone))

    @classmethod
    def around(cls, points: np.ndarray, margin: float = 0.0) -> Self:
        """Between the best and the worst of each objective of points (N, objectives), at least one."""
        return cls.between(points.min(axis=0), points.max(axis=0), margin)

    def relative_to(self, points: np.ndarray) -> Self:
        """The same, in shares of what these points dominate; of the box still, if that is nothing."""
        return replace(self, unit=replace(self, unit=1.0).of(points) or 1.0)

    @property
    def box(self) -> float:
        """Volume from the ideal to the reference in the objectives' own units."""
        return float(np.prod(self.reference - self.ideal))

    def of(self, points: np.ndarray) -> float:
        """Of points (N, objectives); 0 of none."""
        import moocore

        if not len(points):
            return 0.0
        scaled = (points - self.ideal) / (self.reference - self.ideal)
        return float(moocore.hypervolume(scaled, ref=np.ones(scaled.shape[1]))) / self.unit

    def growth(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where in a sequence of points (N, objectives) their front grows, and the hypervolume from there on."""
        places, volumes, front = [], [], np.empty((0, points.shape[1]))
        for start in range(0, len(points), BLOCK):
            block = points[start : start + BLOCK]
            # Most points of a long sequence are behind what is there: only the others are looked at one by one.
            behind = np.any(np.all(front[None] <= block[:, None], axis=2), axis=1)
            for place in np.flatnonzero(~behind):
                grown = joined(front, block[place])
                if grown is not front:
                    front = grown
                    places.append(start + place)
                    volumes.append(self.of(front))
        return np.array(places, int), np.array(volumes)
