"""Genomes that were measured with several seeds: means, and how far these can be trusted. Smaller values are better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hrfevo.pareto import Hypervolume


@dataclass(frozen=True)
class Scores:
    """Of N genomes: means over seeds (N, objectives) and counts of seeds (N,).

    `noise` (objectives,) is the standard deviation of one measurement about what its genome is worth, pooled over all
    genomes with several seeds; 0 where there is none.
    """

    means: np.ndarray
    counts: np.ndarray
    noise: np.ndarray

    @classmethod
    def of(cls, measured: Sequence[np.ndarray]) -> Scores:
        """From the measurements of each genome, (seeds, objectives) each."""
        return cls.by(
            np.repeat(np.arange(len(measured)), [len(values) for values in measured]), np.concatenate(measured)
        )

    @classmethod
    def by(cls, genomes: np.ndarray, values: np.ndarray) -> Scores:
        """From measurements (M, objectives) of the genomes with these numbers, (M,): each below N at least once."""
        counts = np.bincount(genomes)
        means = grouped(genomes, values) / counts[:, None]
        squares = grouped(genomes, (values - means[genomes]) ** 2)[counts > 1].sum(axis=0)
        return cls(means, counts, np.sqrt(squares / max(1, int((counts - 1).sum()))))

    @property
    def doubts(self) -> np.ndarray:
        """Standard errors of the means, (N, objectives)."""
        result: np.ndarray = self.noise / np.sqrt(self.counts)[:, None]
        return result

    @property
    def cautious(self) -> np.ndarray:
        """Means, worse by their standard error."""
        result: np.ndarray = self.means + self.doubts
        return result

    def at_stake(self) -> np.ndarray:
        """What each would add to the front, at best, if the others were what can be relied on, (N,)."""
        import moocore

        optimistic, cautious = self.means - self.doubts, self.cautious
        low, high = optimistic.min(axis=0), cautious[moocore.is_nondominated(cautious)].max(axis=0)
        scale = Hypervolume.between(low, high, margin=1.0)
        gains = np.zeros(len(optimistic))
        for index in np.flatnonzero((optimistic < scale.reference).all(axis=1)):
            others = np.delete(cautious, index, axis=0)
            if not ((others <= optimistic[index]).all(axis=1) & (others < optimistic[index]).any(axis=1)).any():
                gains[index] = scale.of(np.vstack([others, optimistic[index]])) - scale.of(others)
        return gains


def grouped(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of rows of (M, columns) with the same number, (M,): (N, columns)."""
    return np.stack([np.bincount(groups, column) for column in values.T], axis=1)
