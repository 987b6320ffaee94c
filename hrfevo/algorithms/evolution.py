"""The default algorithm: evolution whose offspring, and whose promotions, a surrogate chooses."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import moocore
import numpy as np

from hrfevo.algorithms.archive import Archive
from hrfevo.algorithms.genetic import Population
from hrfevo.algorithms.random import ATTEMPTS
from hrfevo.algorithms.surrogate import Surrogate
from hrfevo.genome import Genome, sample
from hrfevo.records import Proposal, Result
from hrfevo.space import TRAINED, SearchSpace

# Genomes waiting for promotion, and genomes being trained, that are considered with them.
WAITING, PENDING = 64, 64
DRAWS = 4
# New genomes that are considered with them; those not chosen are considered again, as long as they are promising.
BROOD = 64
# So many are bred, at least, whenever somebody asks.
BRED = 16
# The surrogate learns when so large a share of what it knows is new.
NEWS = 0.02
# It says nothing before it knows so many genomes.
LEAST = 8


class Evolution:
    """NSGA-II's offspring, of which a Gaussian process picks who is trained, and who is trained further.

    The first μ genomes are random. From then on whoever asks gets the most promising of two kinds: offspring
    of the population, and genomes that have ended at a rung and could go on to the next.
    Promising is what adds most hypervolume to the front at the last rung, per training still to be paid: the mean
    over a few draws from the surrogate's posterior over all of them together, between Thompson sampling (one draw) and
    expected improvement (many; Emmerich, Giannakoglou & Naujoks 2006). Each draw includes those being trained, so
    that workers do not all follow the same hope. A genome thus goes from rung to rung as long as it stays promising,
    nobody waits, and the space's `promote` is no more than the least share of a rung that goes on.
    """

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        self._archive = Archive(space)
        self._surrogate = Surrogate([name in TRAINED for name in space.objectives])
        self._bounds = Surrogate([False] * len(space.margins({})))
        self._learned = self._heard = 0
        self._promising = np.empty(0, int)
        self._brood: list[_Child] = []
        self.population = Population(space, generator)

    def ask(self) -> Proposal | None:
        before = self._generator.bit_generator.state
        founding = len(self._archive) < self._space.population or not self._surrogate.ready
        proposal = self._random() if founding else self._most_promising()
        if proposal is None:
            self._generator.bit_generator.state = before
        else:
            self._archive.begin(proposal.genome)
        return proposal

    def adopt(self, genome: Genome) -> None:
        self._archive.begin(genome)

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            self._archive.end(result)
            self._heard += 1
        self.population.add(results)
        self._learn()

    def hopeful(self) -> Set[str]:
        return {self._archive.genomes[number].id for number in self._candidates_for_promotion()}

    def _random(self) -> Proposal | None:
        draws = (sample(self._space, self._generator) for _ in range(ATTEMPTS))
        return next((Proposal(genome, "random") for genome in draws if genome not in self._archive), None)

    def _learn(self) -> None:
        """Let the surrogate hear the news, if there are enough and it knows enough to say anything."""
        measured = self._archive.rungs >= 0
        if self._heard - self._learned <= NEWS * self._learned or measured.sum() < LEAST or not self.population.ready:
            return
        self._surrogate.fit(self._archive.vectors[measured], self._archive.values[measured])
        known = ~np.isnan(self._archive.margins).any(axis=1)
        if self._archive.margins.shape[1] and known.sum() >= LEAST:
            self._bounds.fit(self._archive.vectors[known], self._archive.margins[known][:, :, None])
        self._learned = self._heard
        waiting = self._archive.waiting
        if len(waiting) > WAITING:
            expected = self._surrogate.predict(self._archive.vectors[waiting])
            waiting = waiting[np.argsort(moocore.pareto_rank(expected), kind="stable")[:WAITING]]
        self._promising = waiting

    def _candidates_for_promotion(self) -> np.ndarray:
        """Of those waiting, the most promising when the surrogate last learned, and the latest since."""
        waiting = self._archive.waiting
        return waiting if len(waiting) <= WAITING else np.intersect1d(waiting, self._promising)

    def _most_promising(self) -> Proposal | None:
        waiting = self._due()
        children: list[_Child] = []
        if not len(waiting):
            waiting = self._candidates_for_promotion()
            children = self._bred()
        if not children and not len(waiting):
            return self._random()
        gains = self._gains(waiting, children)
        steps = np.array([*self._space.rungs, 0])  # rung -1 is before the first
        done = np.concatenate([steps[self._archive.rungs[waiting]], np.zeros(len(children))])
        best = int(np.argmax(gains / (steps.max() - done)))
        if children:
            order = np.argsort(-gains[len(waiting) :], kind="stable")
            self._brood = [children[index] for index in order[: BROOD - BRED]]
        if best >= len(waiting):
            return children[best - len(waiting)].proposal
        number = int(waiting[best])
        return Proposal(self._archive.genomes[number], "promotion", rung=int(self._archive.rungs[number]) + 1)

    def _due(self) -> np.ndarray:
        """Those waiting at the highest rung of which less than the `promote` share has gone on; none if none is due.

        Where genomes have many genes, the surrogate is unsure of all that are new for long, and would try
        them for ever.
        """
        rungs, pending = self._archive.rungs, self._archive.pending
        reached = np.bincount(rungs[rungs >= 0], minlength=len(self._space.rungs))[::-1].cumsum()[::-1]
        going = np.bincount(rungs[pending] + 1, minlength=len(reached) + 1)[1:]
        for rung in range(len(reached) - 2, -1, -1):
            if reached[rung + 1] + going[rung] < int(reached[rung] * self._space.promote):
                waiting = self._candidates_for_promotion()
                due: np.ndarray = waiting[rungs[waiting] == rung]
                return due
        return np.empty(0, int)

    def _gains(self, waiting: np.ndarray, children: Sequence[_Child]) -> np.ndarray:
        """What each is hoped to add to the front, on average over the draws, (waiting + children,)."""
        vectors = self._archive.vectors
        pending = self._archive.pending[-PENDING:]
        everyone = np.concatenate(
            [vectors[waiting], vectors[pending], *(child.vector[None] for child in children)],
        )
        draws = self._surrogate.draw(everyone, self._generator, DRAWS)
        allowed = self._allowed(everyone)
        gains = np.zeros(len(waiting) + len(children))
        for drawn, kept in zip(draws, allowed, strict=True):
            here, flying, new = np.split(drawn, [len(waiting), len(waiting) + len(pending)])
            free = np.concatenate([np.ones(len(here), bool), kept[len(here) + len(flying) :]])
            points = np.concatenate([here, new])
            found = gained(points, np.concatenate([self._archive.finished, flying]))
            # Where nothing gains, the least dominated of what keeps to the bounds is first.
            gains += (found + 1e-9 / (1 + moocore.pareto_rank(points))) * free.astype(float)
        return gains

    def _allowed(self, vectors: np.ndarray) -> np.ndarray:
        """Whether each genome keeps to all bounds, in as many draws as are made of its objectives, (draws, N)."""
        if not self._bounds.ready:
            return np.ones((DRAWS, len(vectors)), bool)
        kept = self._bounds.draw(vectors, self._generator, DRAWS) <= 0
        return np.asarray(kept.all(axis=2))

    def _bred(self) -> list[_Child]:
        """New genomes, each once: fresh offspring, then those that were considered before."""
        fresh = self._fresh(max(BRED, BROOD - len(self._brood)))
        known = {child.proposal.genome for child in self._brood}
        new = {p.genome: p for p in fresh if p.genome not in known and p.genome not in self._archive}
        vectors = self._archive.encode([*new]) if new else ()
        children = [_Child(proposal, vector) for proposal, vector in zip(new.values(), vectors, strict=True)]
        return children + [child for child in self._brood if child.proposal.genome not in self._archive]

    def _fresh(self, count: int) -> list[Proposal]:
        return self.population.offspring(count)


@dataclass(frozen=True)
class _Child:
    proposal: Proposal
    vector: np.ndarray
    """Its encoding, (columns,)."""


def gained(points: np.ndarray, front: np.ndarray) -> np.ndarray:
    """How much hypervolume each point would add to a front, smaller values being better, (N,).

    Each objective counts from the best to the worst of the points and the front's own, a tenth beyond.
    """
    kept = front[moocore.is_nondominated(front)] if len(front) else front
    together = np.concatenate([points, kept])
    low, high = together.min(axis=0), together.max(axis=0)
    scale = np.where(high > low, high - low, 1.0)
    points, kept = (points - low) / scale, (kept - low) / scale
    reference = np.full(points.shape[1], 1.1)
    before = moocore.hypervolume(kept, ref=reference) if len(kept) else 0.0
    gains = np.zeros(len(points))
    for index in np.flatnonzero(~(kept[None] <= points[:, None]).all(axis=2).any(axis=1)):
        gains[index] = moocore.hypervolume(np.vstack([kept, points[index]]), ref=reference) - before
    return gains
