"""A front beside a front: what each dominates, and how much of the other's it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hrfevo.results.comparison.paired import Difference, difference
from signal_model.support.errors import counted

# The reference point lies beyond the worst of the fronts by this share of their range, so that their ends count too.
MARGIN = 0.1
# Fewer different points say nothing but who dominates whom: their range is what they are measured by, so that two
# points of which neither dominates hold (1 + MARGIN) / (2 + MARGIN), 52.4 %, of both together wherever they lie.
LEAST_POINTS = 3


class Ruler:
    """Hypervolume under one reference point, as a share of that of all points together.

    Takes fronts as arrays (n, objectives), smaller is better. The reference is the nadir of all of them, the worst that
    any has in each objective, and `MARGIN` of their range beyond; None for fewer than `LEAST_POINTS`.
    """

    def __init__(self, fronts: Sequence[np.ndarray]) -> None:
        points = np.concatenate(fronts)
        self.reference: np.ndarray | None = None
        if len(np.unique(points, axis=0)) >= LEAST_POINTS:
            best, worst = points.min(axis=0), points.max(axis=0)
            spread = np.where(worst > best, worst - best, np.where(worst != 0, np.abs(worst), 1.0))
            self.reference = worst + MARGIN * spread
            self._scale = spread
            self._whole = self._volume(points)

    def share(self, points: np.ndarray) -> float | None:
        """0 for no point; None where there is too little to measure by."""
        if self.reference is None:
            return None
        return self._volume(points) / self._whole if len(points) else 0.0

    def _volume(self, points: np.ndarray) -> float:
        import moocore

        # In units of the range, so that parameters in millions and losses below one are alike to floating point.
        scaled = (points - self.reference) / self._scale
        return float(moocore.hypervolume(scaled, ref=np.zeros(scaled.shape[1])))


def dominated_share(points: np.ndarray, by: np.ndarray) -> float:
    """The share of `points` (n, objectives) that some point of `by` (m, objectives) dominates; smaller is better.

    The coverage of Zitzler & Thiele 1999, but for equal points, which do not dominate one another.
    """
    if not len(points) or not len(by):
        return 0.0
    no_worse = np.all(by[None] <= points[:, None], axis=2)
    better = np.any(by[None] < points[:, None], axis=2)
    return float(np.mean(np.any(no_worse & better, axis=1)))


@dataclass(frozen=True)
class FrontPair:
    """Two fronts of `points` each: hypervolumes as shares of that of both together, and the share of each that the
    other dominates."""

    points: tuple[int, int]
    hypervolumes: tuple[float, float] | None
    """None for fewer than `LEAST_POINTS`."""
    dominated: tuple[float, float]
    difference: Difference | None = None
    """Of the hypervolumes, paired by seed; None where there are none, or each genome was trained once."""

    @property
    def words(self) -> str:
        """`the search's front, 5 points, holds 92.1% of the hypervolume of both together, the transformers', 1 point,
        78.4%; …`"""
        (own, other), (of_it, of_theirs) = [counted(count, "point") for count in self.points], self.dominated
        dominates = f"it dominates {of_theirs:.0%} of theirs, they {of_it:.0%} of it"
        if self.hypervolumes is None:
            return f"the search's front has {own}, the transformers' {other}, too few to measure; {dominates}"
        volume, others = self.hypervolumes
        said = (
            f"the search's front, {own}, holds {volume:.1%} of the hypervolume of both together, the transformers', "
            f"{other}, {others:.1%}; {dominates}"
        )
        return said + (f"; of hypervolume, {self.difference.words(lower_is_better=False)}" if self.difference else "")


def front_pair(first: np.ndarray, second: np.ndarray) -> FrontPair:
    """Of two arrays (n, objectives), smaller is better."""
    ruler = Ruler([first, second])
    own, other = ruler.share(first), ruler.share(second)
    volumes = None if own is None or other is None else (own, other)
    return FrontPair(_sizes(first, second), volumes, (dominated_share(first, second), dominated_share(second, first)))


def front_pair_by_seed(first: Mapping[int, np.ndarray], second: Mapping[int, np.ndarray]) -> FrontPair | None:
    """Of two sides' points by seed: fronts of the means over the seeds that both have, hypervolumes seed by seed.

    Each side has the same genomes, in one order, with every seed. None where no seed is common.
    """
    seeds = [seed for seed in first if seed in second]
    if not seeds:
        return None
    means = [np.mean([side[seed] for seed in seeds], axis=0) for side in (first, second)]
    pair = front_pair(*means)
    if pair.hypervolumes is None:
        return pair
    ruler = Ruler([side[seed] for side in (first, second) for seed in seeds])
    volumes = [{seed: ruler.share(side[seed]) or 0.0 for seed in seeds} for side in (first, second)]
    return replace(pair, difference=difference(*volumes))


def _sizes(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Points of each that are on its front."""
    import moocore

    sizes = [len(np.unique(moocore.filter_dominated(one), axis=0)) if len(one) else 0 for one in (first, second)]
    return sizes[0], sizes[1]
