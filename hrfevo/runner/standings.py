"""Who stands where in a search: fronts, best, logbook."""

from __future__ import annotations

import math
import statistics

import numpy as np
from deap import tools

from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first, new_archive
from hrfevo.algorithms.seeds import Scores
from hrfevo.space.genome import Genome


class Standings:
    """Who is best so far at the highest rung, and DEAP's logbook of generations.

    A generation ends with as many genomes more as a population has, whatever became of them: they are counted as births
    are, once each, so a run has as many here as in its tables and figures. Its median is of what finished meanwhile at
    the rung that the best is of, NaN where nothing did: other rungs do not compare.

    A genome that comes again, trained with another seed, counts for its mean; from then on all are ranked as
    `hrfevo.results.history` ranks them.
    """

    def __init__(self, population: int) -> None:
        self._population = population
        self._rung = -1
        self._measured: dict[Genome, list[Fitness]] = {}
        self._archive = new_archive()
        self._best: Individual | None = None
        self._again = self._stale = False
        self._front: list[Individual] = []
        self._finished = 0
        self._since: list[float] = []
        self._born: set[Genome] = set()
        self.leaders: list[Individual] = []
        """The best of all when as many evaluations more had finished as a population has, and as many."""
        self._newcomers: list[Individual] = []
        self.logbook = tools.Logbook()
        self.logbook.header = ["generation", "evaluations", "best", "median", "front"]

    def add(self, individual: Individual) -> None:
        """Count a finished evaluation."""
        if individual.rung > self._rung:
            self._rung, self._measured, self._archive = individual.rung, {}, new_archive()
            self._best, self._again, self._stale = None, False, False
            self._since = []
        if individual.rung == self._rung:
            self._enter(individual)
            self._since.append(individual.fitness.values[0])
        if individual.rung < self._rung or len(self._measured[individual.genome]) == 1:
            self._newcomers.append(individual)
        self._finished += 1
        if self._finished % self._population == 0:
            by_rung = sorted([*self.leaders, *self._newcomers], key=lambda one: one.rung)
            self.leaders = best_first(list({one.genome: one for one in by_rung}.values()), self._population)
            self._newcomers = []
        self.ended(individual.genome)

    def ended(self, genome: Genome) -> None:
        """Count a genome whose evaluation has ended, with a score or without; the last of a generation writes the
        logbook, once there is a score."""
        if genome in self._born:
            return
        self._born.add(genome)
        if len(self._born) % self._population or self.best is None:
            return
        self.logbook.record(
            generation=len(self._born) // self._population - 1,
            evaluations=self._finished,
            best=self.best.fitness.values[0],
            median=statistics.median(self._since) if self._since else math.nan,
            front=len(self.front),
        )
        self._since = []

    @property
    def best(self) -> Individual | None:
        """The first of the front by the first objective; None before anything has finished."""
        self._settle()
        return self._best

    def seeds_of(self, genome: Genome) -> int:
        """With how many seeds a genome has finished at the highest rung."""
        return len(self._measured.get(genome, ()))

    @property
    def front(self) -> list[Individual]:
        """The non-dominated individuals of the highest rung reached, best first objective first, of equals the next."""
        self._settle()
        return self._front if self._again else sorted(self._archive, key=_order)

    def _enter(self, individual: Individual) -> None:
        own = self._measured.setdefault(individual.genome, [])
        own.append(individual.fitness)
        self._again |= len(own) > 1
        self._stale = self._again
        if not self._again:
            self._archive.update([individual])
            if self._best is None or _order(individual) < _order(self._best):
                self._best = individual

    def _settle(self) -> None:
        """Rank all anew, once some have several seeds: what was behind a lucky one may be on the front."""
        if not self._stale:
            return
        import moocore

        self._stale = False
        scores = Scores.of([-np.array([one.wvalues for one in own]) for own in self._measured.values()])
        relied_on = scores.cautious
        genomes, weights = list(self._measured), next(iter(self._measured.values()))[0].weights
        places = np.flatnonzero(moocore.is_nondominated(relied_on, keep_weakly=True)).tolist()
        places.sort(key=lambda place: (*relied_on[place], genomes[place].id))
        means = -scores.means[places] * np.array(weights)
        self._front = [
            Individual(genomes[place], Fitness(weights, mean.tolist()), self._rung)
            for place, mean in zip(places, means, strict=True)
        ]
        self._best = self._front[0]


def _order(one: Individual) -> tuple[float | str, ...]:
    """As `hrfevo.results.history` orders the front."""
    return (*(-value for value in one.fitness.wvalues), one.genome.id)
