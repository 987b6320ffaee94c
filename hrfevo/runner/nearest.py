"""How near a search has come to bounds that no genome of it has kept to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median

from hrfevo.space.search_space import SearchSpace
from hrfevo.workers.base import Outcome, counts
from signal_model.support.errors import counted, listed

# Of genomes drawn at random of which one in 400 keeps to the bounds, the nearest of 500 others are less than this share
# of the median distance away: chances that grow as any power of the distance give 0.4 % (linear) to 11 % (exponential).
REACH = 0.1


class Nearest:
    """Of genomes of which none keeps to the bounds, the nearest, and how many untrained ones came no nearer since."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._distances: list[float] = []
        self._metrics: Mapping[str, float] = {}
        self.since = 0

    def add(self, outcome: Outcome) -> None:
        """Look at one more that breaks a bound; what is not known of it keeps to its own."""
        distance = sum(margin for margin in self._space.margins(outcome.metrics) if margin > 0)
        is_nearer = 0 < distance < min(self._distances, default=math.inf)
        if distance:
            self._distances.append(distance)
        if is_nearer:
            self._metrics, self.since = outcome.metrics, 0
        elif not counts(outcome.status, outcome.metrics):  # those that were trained are the budget's to end
            self.since += 1

    @property
    def out_of_reach(self) -> bool:
        """Whether even the nearest has left a good part of the way to the bounds, of which half of them leave more.

        A search that is led towards the bounds gathers at the nearest that there is, so it is soon certain; in one that
        draws at random, the next genome may always be a nearer one.
        """
        return bool(self._distances) and min(self._distances) > REACH * median(self._distances)

    def words(self, count: int) -> str:
        """Of `count` genomes, none of which keeps to the bounds; empty where none has broken a bound that is known."""
        broken = {
            name: bounds
            for name, bounds in self._space.constraints.items()
            if name in self._metrics and self._space.violation({name: self._metrics[name]})
        }
        if not broken:
            return ""
        bounds = listed([f"{name} {bound.words}" for name, bound in broken.items()])
        had = listed([f"{self._metrics[name]:,.6g}" for name in broken])
        if count == 1:
            return f"its one genome does not keep to {bounds}: it had {had}"
        return f"none of the first {counted(count, 'genome')} keeps to {bounds}; the nearest had {had}"
