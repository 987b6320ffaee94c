"""A front beside a front: what each dominates, and how much of the other's it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hrfevo.pareto import Hypervolume, dominated_share, non_dominated
from hrfevo.results.comparison.paired import Difference, difference
from signal_model.support.errors import counted

# The reference point lies beyond the worst of the fronts by this share of their range, so that their ends count too.
MARGIN = 0.1
# Fewer different points say nothing but who dominates whom: their range is what they are measured by, so that two
# points of which neither dominates hold (1 + MARGIN) / (2 + MARGIN), 52.4 %, of both together wherever they lie.
LEAST_POINTS = 3


def common_scale(fronts: Sequence[np.ndarray]) -> Hypervolume | None:
    """For fronts (n, objectives), smaller is better: in shares of that of all together.

    The reference is the nadir of all of them, the worst that any has in each objective, and `MARGIN` of their range
    beyond. None for fewer than `LEAST_POINTS`.
    """
    points = np.concatenate(fronts)
    enough = len(np.unique(points, axis=0)) >= LEAST_POINTS
    return Hypervolume.around(points, MARGIN).relative_to(points) if enough else None


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
    whose: str = "the transformers'"
    """The second of the two, as people say it."""

    @property
    def words(self) -> str:
        """`the search's front, 5 points, holds 92.1% of the hypervolume of both together, the transformers', 1 point,
        78.4%; …`"""
        (own, other), (of_it, of_theirs) = [counted(count, "point") for count in self.points], self.dominated
        dominates = f"it dominates {of_theirs:.0%} of theirs, they {of_it:.0%} of it"
        if self.hypervolumes is None:
            return f"the search's front has {own}, {self.whose} {other}, too few to measure; {dominates}"
        volume, others = self.hypervolumes
        said = (
            f"the search's front, {own}, holds {volume:.1%} of the hypervolume of both together, {self.whose}, "
            f"{other}, {others:.1%}; {dominates}"
        )
        return said + (f"; of hypervolume, {self.difference.words(lower_is_better=False)}" if self.difference else "")


def front_pair(first: np.ndarray, second: np.ndarray) -> FrontPair:
    """Of two arrays (n, objectives), smaller is better; of points that others of their side dominate none counts."""
    scale = common_scale([first, second])
    volumes = (scale.of(first), scale.of(second)) if scale else None
    own, other = (np.unique(side[non_dominated(side)], axis=0) for side in (first, second))
    return FrontPair((len(own), len(other)), volumes, (dominated_share(own, other), dominated_share(other, own)))


def front_pair_by_seed(first: Mapping[int, np.ndarray], second: Mapping[int, np.ndarray]) -> FrontPair | None:
    """Of two sides' points by seed: fronts of the means over the seeds that both have, hypervolumes seed by seed.

    Each side has the same genomes, in one order, with every seed. None where no seed is common.
    """
    seeds = [seed for seed in first if seed in second]
    if not seeds:
        return None
    means = [np.mean([side[seed] for seed in seeds], axis=0) for side in (first, second)]
    pair = front_pair(*means)
    scale = common_scale([side[seed] for side in (first, second) for seed in seeds])
    if pair.hypervolumes is None or scale is None:
        return pair
    volumes = [{seed: scale.of(side[seed]) for seed in seeds} for side in (first, second)]
    return replace(pair, difference=difference(*volumes))
