"""A front beside a front: what each dominates, and how much of the other's it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hrfevo.pareto import Hypervolume, dominated_share
from hrfevo.results.comparison.paired import Difference, difference

# The reference point lies beyond the worst of the fronts by this share of their range, so that their ends count too.
MARGIN = 0.1


def common_scale(fronts: Sequence[np.ndarray]) -> Hypervolume | None:
    """For fronts (n, objectives), smaller is better: in shares of that of all together; None where none has a point."""
    points = np.concatenate(fronts)
    return Hypervolume.around(points, MARGIN).relative_to(points) if len(points) else None


@dataclass(frozen=True)
class FrontPair:
    """Two fronts: hypervolumes as shares of that of both together, and the share of each that the other dominates."""

    hypervolumes: tuple[float, float]
    dominated: tuple[float, float]
    difference: Difference | None = None
    """Of the hypervolumes, paired by seed; None where each genome was trained once."""

    @property
    def words(self) -> str:
        """`the search's front holds 92.1% of the hypervolume of both together, the transformers' 78.4%; …`"""
        (own, other), (of_it, of_theirs) = self.hypervolumes, self.dominated
        said = (
            f"the search's front holds {own:.1%} of the hypervolume of both together, the transformers' {other:.1%}; "
            f"it dominates {of_theirs:.0%} of theirs, they {of_it:.0%} of it"
        )
        return said + (f"; of hypervolume, {self.difference.words(lower_is_better=False)}" if self.difference else "")


def front_pair(first: np.ndarray, second: np.ndarray) -> FrontPair:
    """Of two arrays (n, objectives), smaller is better."""
    scale = common_scale([first, second])
    volumes = (scale.of(first), scale.of(second)) if scale else (0.0, 0.0)
    return FrontPair(volumes, (dominated_share(first, second), dominated_share(second, first)))


def front_pair_by_seed(first: Mapping[int, np.ndarray], second: Mapping[int, np.ndarray]) -> FrontPair | None:
    """Of two sides' points by seed: fronts of the means over the seeds that both have, hypervolumes seed by seed.

    Each side has the same genomes, in one order, with every seed. None where no seed is common.
    """
    seeds = [seed for seed in first if seed in second]
    if not seeds:
        return None
    pair = front_pair(*(np.mean([side[seed] for seed in seeds], axis=0) for side in (first, second)))
    scale = common_scale([side[seed] for side in (first, second) for seed in seeds])
    volumes = [{seed: scale.of(side[seed]) if scale else 0.0 for seed in seeds} for side in (first, second)]
    return FrontPair(pair.hypervolumes, pair.dominated, difference(*volumes))
