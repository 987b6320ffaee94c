"""Two sides that were trained with the same seeds: what they differ by, and how sure that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from signal_model.support.errors import counted

# Intervals hold the true difference in so many of 100 repetitions.
CONFIDENCE = 0.95
# Seeds are enough that show a difference, where it is there, in this share of tries; more than these nobody trains.
POWER, MOST_SEEDS = 0.8, 200
# Differences that are no further apart, as shares of the scores, are equal but for rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Difference:
    """The first side less the second, the mean over `pairs` of trainings with one seed.

    `low` and `high` are the ends of the 95 % interval of Student's t for paired samples; `error` is the standard error
    of the mean. They are -∞, ∞ and ∞ where nothing is known of the scatter: of one pair, and of pairs that all differ
    by the same, as error rates do, which are counts of few.
    """

    mean: float
    low: float
    high: float
    error: float
    pairs: int
    unpaired: int = 0
    """Seeds that one side alone has: they count in its mean, not here."""

    @property
    def is_known(self) -> bool:
        """Whether the pairs say how much they scatter."""
        return math.isfinite(self.error)

    @property
    def seen(self) -> bool:
        """Whether there is any: whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def seeds_to_see(self) -> int | None:
        """How many new seeds would show a difference as large as this, and that scatters as much, in four of five
        tries; None above `MOST_SEEDS`, and where too little is known.

        By the power of Student's t for paired samples, from the noncentral distribution.
        """
        if not self.is_known or not self.mean or not self.error:
            return None
        from scipy.stats import nct, t

        seeds = np.arange(2, MOST_SEEDS + 1)
        effect = abs(self.mean) / (self.error * math.sqrt(self.pairs))
        beyond = t.ppf((1 + CONFIDENCE) / 2, seeds - 1)
        power = nct.sf(beyond, seeds - 1, effect * np.sqrt(seeds))
        enough = seeds[power >= POWER]
        return int(enough[0]) if len(enough) else None

    @property
    def interval(self) -> str:
        """`95 % interval +0.0120 to +0.0602, 5 seeds`."""
        if not self.is_known:
            alike = "" if self.pairs == 1 else " with equal differences"
            return f"{self.seeds}{alike}, so nothing is known of its doubt"
        return self._between(f"{self.low:+.4f}", f"{self.high:+.4f}")

    def words(self, lower_is_better: bool = True) -> str:
        """`0.0361 better (95 % interval 0.0120 to 0.0602, 5 seeds)`, or `no difference seen, +0.0361 (…)`."""
        if not self.seen:
            return f"no difference seen, {self.mean:+.4f} ({self.interval})"
        better = (self.mean < 0) == lower_is_better
        least, most = sorted((abs(self.low), abs(self.high)))
        reach = self._between(f"{least:.4f}", f"{most:.4f}")
        return f"{abs(self.mean):.4f} {'better' if better else 'worse'} ({reach})"

    def _between(self, low: str, high: str) -> str:
        return f"95 % interval {low} to {high}, {self.seeds}"

    @property
    def seeds(self) -> str:
        """`5 seeds`, or `the 2 seeds that both have`: the difference is not that of means over more."""
        if not self.unpaired:
            return "one seed" if self.pairs == 1 else counted(self.pairs, "seed")
        return "the one seed that both have" if self.pairs == 1 else f"the {self.pairs} seeds that both have"


def difference(first: Mapping[int, float], second: Mapping[int, float]) -> Difference | None:
    """Of two sides' scores by seed, over the seeds that both have; None where they have none in common.

    What a seed does to both alike, as a hard order of the text, is no part of it.
    """
    both = [seed for seed in first if seed in second]
    differences = [first[seed] - second[seed] for seed in both]
    if not differences:
        return None
    mean, pairs = statistics.fmean(differences), len(differences)
    unpaired = len(first.keys() ^ second.keys())
    largest = max(abs(side[seed]) for side in (first, second) for seed in both)
    # That a few seeds have all differed by one step of a score is no proof that the next would.
    if pairs == 1 or (any(differences) and max(differences) - min(differences) <= ROUNDING * largest):
        return Difference(mean, -math.inf, math.inf, math.inf, pairs, unpaired)
    from scipy.stats import t

    error = statistics.stdev(differences) / math.sqrt(pairs)
    reach = float(t.ppf((1 + CONFIDENCE) / 2, pairs - 1)) * error
    return Difference(mean, mean - reach, mean + reach, error, pairs, unpaired)
