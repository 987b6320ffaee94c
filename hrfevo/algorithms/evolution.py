"""The default algorithm: evolution whose offspring, and whose promotions, a surrogate chooses."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import moocore
import numpy as np
from deap import tools

from hrfevo.algorithms.base import Seen
from hrfevo.algorithms.encoding import Encoding
from hrfevo.algorithms.random import ATTEMPTS
from hrfevo.algorithms.surrogate import Surrogate
from hrfevo.algorithms.variation import Variation
from hrfevo.genome import Genome, sample
from hrfevo.individual import Fitness, Individual, best_first
from hrfevo.records import Proposal, Result
from hrfevo.space import SearchSpace

CROSSOVER_PROBABILITY = 0.8
# Offspring that the surrogate chooses from, and random genomes among them.
OFFSPRING, IMMIGRANTS = 48, 16
# Genomes waiting for promotion that are considered with them.
WAITING = 64


@dataclass
class Known:
    """What is known of a genome: its vector, and its objectives at each rung, not a number where not measured."""

    genome: Genome
    vector: np.ndarray
    values: np.ndarray
    pending: bool = True
    failed: bool = False

    @property
    def rung(self) -> int:
        """The highest rung it was measured at; -1 for none."""
        measured = np.flatnonzero(~np.isnan(self.values[0]))
        return int(measured[-1]) if len(measured) else -1


class Evolution:
    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        self._variation = Variation(space, generator)
        self._encoding = Encoding(space)
        self._weights = np.array(space.weights)
        self._seen = Seen()
        self._known: dict[str, Known] = {}
        self._surrogate: Surrogate | None = None
        self._news = 0
        self._exhausted = False
        self.population: list[Individual] = []

    # --- the protocol ----------------------------------------------------------------------------

    def ask(self) -> Proposal | None:
        founding = len(self._known) < self._space.population or not self._refit()
        proposal = self._random() if founding else self._chosen()
        if proposal is not None:
            self._note(proposal)
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        measured = []
        for result in results:
            genome, rung = result.proposal.genome, result.proposal.rung
            known = self._known[genome.id]
            known.pending = False
            if result.objectives is None:
                known.failed = True
                continue
            known.values[:, rung] = -np.array(result.objectives) * self._weights  # smaller is better
            self._news += 1
            measured.append(Individual(genome, Fitness(self._space.weights, result.objectives), rung))
        if measured:
            latest = {individual.genome: individual for individual in [*self.population, *measured]}
            self.population = best_first(list(latest.values()), self._space.population)

    def hopeful(self) -> Set[str]:
        waiting = self._waiting()
        return {known.genome.id for known in waiting}

    # --- choosing --------------------------------------------------------------------------------

    def _note(self, proposal: Proposal) -> None:
        known = self._known.get(proposal.genome.id)
        if known is None:
            vector = self._encoding([proposal.genome])[0]
            empty = np.full((len(self._weights), len(self._space.rungs)), np.nan)
            self._known[proposal.genome.id] = Known(proposal.genome, vector, empty)
        else:
            known.pending = True

    def _random(self) -> Proposal | None:
        genome = self._seen.first_new(lambda: sample(self._space, self._generator), ATTEMPTS)
        return Proposal(genome, "random") if genome else None

    def _refit(self) -> bool:
        measured = [known for known in self._known.values() if known.rung >= 0]
        if len(measured) < min(8, self._space.population):
            return False
        if self._surrogate is None or self._news > len(measured) // 50:
            vectors = np.array([known.vector for known in measured])
            if self._surrogate is None:
                self._surrogate = Surrogate(vectors.shape[1], len(self._weights))
            self._surrogate.fit(vectors, np.array([known.values for known in measured]))
            self._news = 0
        return True

    def _waiting(self) -> list[Known]:
        last = len(self._space.rungs) - 1
        waiting = [k for k in self._known.values() if not k.pending and not k.failed and 0 <= k.rung < last]
        if self._surrogate is None or len(waiting) <= WAITING:
            return waiting[-WAITING:]
        expected = self._surrogate.predict(np.array([known.vector for known in waiting]))
        ranks = moocore.pareto_rank(expected)
        return [waiting[index] for index in np.argsort(ranks, kind="stable")[:WAITING]]

    def _chosen(self) -> Proposal | None:
        assert self._surrogate is not None
        waiting = self._waiting()
        new = self._candidates()
        if not waiting and not new:
            return None
        last = len(self._space.rungs) - 1
        pending = [k for k in self._known.values() if k.pending][-64:]
        vectors = (
            [k.vector for k in waiting] + [k.vector for k in pending] + list(self._encoding([p.genome for p in new]))
        )
        drawn = self._surrogate.draw(np.array(vectors), self._generator)
        done = np.array([k.values[:, last] for k in self._known.values() if k.rung == last]).reshape(
            -1, len(self._weights)
        )
        here, flying, there = np.split(drawn, [len(waiting), len(waiting) + len(pending)])
        points = np.concatenate([here, there])
        gains = gained(points, np.concatenate([done, flying]))
        best = int(np.argmax(gains + 1e-12 * self._generator.random(len(gains))))
        if best < len(waiting):
            known = waiting[best]
            return Proposal(known.genome, "promotion", rung=known.rung + 1)
        proposal = new[best - len(waiting)]
        self._seen.add(proposal.genome)
        return proposal

    def _candidates(self) -> list[Proposal]:
        found: dict[str, Proposal] = {}
        for number in range(OFFSPRING + IMMIGRANTS):
            if number < OFFSPRING and len(self.population) >= 4:
                proposal = self._offspring()
            else:
                proposal = Proposal(sample(self._space, self._generator), "random")
            if proposal.genome.id not in self._known:
                found.setdefault(proposal.genome.id, proposal)
        if not found:
            genome = self._seen.first_new(lambda: sample(self._space, self._generator), ATTEMPTS)
            if genome:
                found[genome.id] = Proposal(genome, "random")
        return list(found.values())

    def _offspring(self) -> Proposal:
        with self._variation.randomness():
            first, second, *_ = tools.selTournamentDCD(self.population, 4)
        mate = first != second and self._generator.random() < CROSSOVER_PROBABILITY
        genome = self._variation.crossover(first.genome, second.genome) if mate else first.genome
        parents = (first.genome.id, second.genome.id) if mate else (first.genome.id,)
        if mate and self._generator.random() < 0.5:
            return Proposal(genome, "crossover", parents)
        return Proposal(self._variation.mutate(genome), "crossover" if mate else "mutation", parents)


def gained(points: np.ndarray, front: np.ndarray) -> np.ndarray:
    """How much hypervolume each point would add to the front, smaller values being better, in units of both together."""
    together = np.concatenate([points, front])
    low, high = together.min(axis=0), together.max(axis=0)
    scale = np.where(high > low, high - low, 1.0)
    points, front = (points - low) / scale, (front - low) / scale
    reference = np.full(points.shape[1], 1.1)
    if not len(front):
        return np.prod(reference - points, axis=1)
    front = front[moocore.is_nondominated(front)]
    before = moocore.hypervolume(front, ref=reference)
    gains = np.zeros(len(points))
    for index, point in enumerate(points):
        if not (front <= point).all(axis=1).any():
            gains[index] = moocore.hypervolume(np.vstack([front, point]), ref=reference) - before
    return gains
