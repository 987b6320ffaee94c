"""The default algorithm: evolution whose offspring, and whose promotions, a surrogate chooses."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import moocore
import numpy as np
from threadpoolctl import ThreadpoolController

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.breeding.genetic import Population
from hrfevo.algorithms.evolution.archive import Archive
from hrfevo.algorithms.evolution.expected_improvement import Target
from hrfevo.algorithms.evolution.feasibility import Feasibility
from hrfevo.algorithms.evolution.surrogate import Outlook, Pending, Surrogate
from hrfevo.algorithms.random import ATTEMPTS
from hrfevo.space.genome import sample
from hrfevo.space.metrics import METRICS
from hrfevo.space.search_space import SearchSpace

# Genomes that may wait for promotion, over all rungs; the others' trainings are given up.
MAX_WAITING = 64
# Genomes being trained whose results are taken to be as expected.
MAX_PENDING = 64
# New genomes that are bred whenever somebody asks.
OFFSPRING = 16
# One in so many of them is random instead, so that a search leaves the hill that it stands on.
STRANGERS = 3
# Mutants that are bred of the most promising of all, whenever these are refined, and mutants of each.
MUTANTS, OF_EACH = 8, 4
# The surrogate learns when so large a share of what it knows is new.
REFIT_SHARE = 0.02
# It says nothing before it knows so many genomes.
MIN_GENOMES_TO_FIT = 8
# So many random ones begin a search, or as many as the population holds if that is fewer.
FOUNDERS = 10

# The best genomes often lie at a wall. What succeeds less surely than this, or than the surest few of all that is
# considered at first, is tried only where there is nothing else, so that a search goes along a wall and not against it.
MIN_SUCCESS = 0.95
# What it counts then.
RISKY = 1e-30
# Where nothing that is considered succeeds as surely as this, a random genome is tried.
HOPELESS = 0.5


class Evolution:
    """NSGA-II's offspring, of which a Gaussian process picks who is trained, and who is trained further.

    The first genomes are random. From then on whoever asks gets the most promising of two kinds: new ones, offspring
    of the population as soon as that is full, and genomes that have ended at a rung and could go on to the next.
    Promising is what its training to a rung will show of a growth of the hypervolume of the front at the last rung
    (Emmerich, Giannakoglou & Naujoks 2006), times the probability of success, per step that this is expected to take:
    to that rung, and on to the last if it is promising there too. What a rung shows is by how much it goes with the
    last one, for all that is known already: new genomes begin at a higher rung where the first tells nothing. Genomes
    being trained count as if they had ended as expected, so that workers do not all follow the same hope. A genome thus
    goes from rung to rung as long as it stays promising, nobody waits, and the space's `promote` is no more than the
    least share that goes on.
    """

    begins_at_any_rung = True
    """Whether new genomes may begin at another rung than the first."""

    refinements = 12
    """How often the most promising are bred again before one is trained."""

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        self._archive = Archive(space)
        self._surrogate = Surrogate([METRICS[name].trained for name in space.objectives])
        self._feasibility = Feasibility()
        # One: workers have the others, and what is proposed does not depend on how many there are.
        self._threads = ThreadpoolController()
        self._learned = self._heard = 0
        self._counted = np.empty(0, int)
        self._attained: np.ndarray | None = None
        self.population = Population(space, generator)

    def ask(self) -> Proposal | None:
        founding = len(self._archive) < min(FOUNDERS, self._space.population) or not self._surrogate.ready
        with self._threads.limit(limits=1):
            proposal = self._random() if founding else self._most_promising()
        return None if proposal is None else self.adopt(proposal)

    def adopt(self, proposal: Proposal) -> Proposal:
        self._archive.begin(proposal.genome, proposal.rung)
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            self._archive.end(result)
            self._heard += 1
        self.population.add(results)
        self._learn()

    def hopeful(self) -> Set[str]:
        return {self._archive.genomes[number].id for number in self._archive.waiting}

    def _random(self) -> Proposal | None:
        draws = (sample(self._space, self._generator) for _ in range(ATTEMPTS))
        return next((Proposal(genome, "random") for genome in draws if genome not in self._archive), None)

    def _learn(self) -> None:
        """Let the surrogate hear the news, if there are enough and it knows enough to say anything."""
        if self._heard - self._learned <= REFIT_SHARE * self._learned:
            return
        archive = self._archive
        measured = archive.rungs >= 0
        self._feasibility.learn(archive.rows(), archive.margins, archive.failures, archive.rungs, archive.failed_at)
        if measured.sum() >= MIN_GENOMES_TO_FIT:
            self._surrogate.fit(archive.rows()[measured], archive.values[measured], archive.counts[measured])
            self._learned = self._heard
            self._counted, self._attained = archive.finished, None
            self._retire()

    def _expected(self, vectors: np.ndarray) -> np.ndarray:
        """Objectives at the last rung: of genomes that were measured there too, since a lucky seed is not merit."""
        if not len(vectors):
            return np.empty((0, len(self._space.objectives)))
        return self._surrogate.predict(vectors).medians

    def _retire(self) -> None:
        """Give up all but the best of those that wait at each rung, by what was measured there."""
        archive, rungs = self._archive, len(self._space.rungs) - 1
        waiting = archive.waiting
        for rung in range(rungs):
            here = waiting[archive.rungs[waiting] == rung]
            if len(here) > MAX_WAITING // rungs:
                values = archive.values[here, :, rung]
                places = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable").sum(axis=1)
                order = np.lexsort((places, moocore.pareto_rank(values)))
                archive.retire(here[order[MAX_WAITING // rungs :]])

    def _most_promising(self) -> Proposal | None:
        waiting, children = self._due(), list[_Child]()
        if not len(waiting):
            waiting, children = self._promotable(), self._bred()
        if not children and not len(waiting):
            return self._random()
        view = self._view()
        gains, success = self._appraised(view, waiting, children)
        # Before any is refined: mutants of what is promising crowd at the wall, and none of them would be sure.
        safe = min(MIN_SUCCESS, float(np.quantile(success, 0.98)))
        for _ in range(self.refinements if children else 0):
            best_rung = _weighed(gains, success, safe).max(axis=1)
            mutants = self._mutants(children, best_rung[len(waiting) :])
            if not mutants:  # all of them are known
                break
            appraised = self._appraised(view, waiting[:0], mutants)
            gains, success = np.concatenate([gains, appraised[0]]), np.append(success, appraised[1])
            children += mutants
        weighed = _weighed(gains, success, safe)
        if children and success.max() < HOPELESS and (stranger := self._random()):
            return stranger
        best, rung = map(int, np.unravel_index(np.argmax(weighed), weighed.shape))
        if best >= len(waiting):
            return replace(children[best - len(waiting)].proposal, rung=rung)
        return Proposal(self._archive.genomes[int(waiting[best])], "promotion", rung=rung)

    def _promotable(self) -> np.ndarray:
        return self._archive.waiting

    def _due(self) -> np.ndarray:
        """Those waiting at the highest rung of which less than the `promote` share has gone on; none if none is due.

        Where genomes have many genes, the surrogate is unsure of all that are new for long, and would try
        them for ever.
        """
        rungs = np.maximum(self._archive.rungs, self._archive.failed_at)
        reached = np.bincount(rungs[rungs >= 0], minlength=len(self._space.rungs))[::-1].cumsum()[::-1]
        going = np.bincount(self._archive.training_to[self._archive.pending], minlength=len(reached))[1:]
        for rung in range(len(reached) - 2, -1, -1):
            if reached[rung + 1] + going[rung] < int(reached[rung] * self._space.promote):
                waiting = self._promotable()
                due = waiting[rungs[waiting] == rung]
                success = self._feasibility.probability(self._archive.vectors(due), bounds=False)
                found: np.ndarray = due[success >= HOPELESS]
                if len(due) and not len(found):
                    # What was promising has failed so far: the surest of them may show what does not.
                    found = due[[np.argmax(success)]]
                if len(found):
                    return found
        return np.empty(0, int)

    def _view(self) -> _View:
        """What there is to be improved on: what has ended, and what is being trained, as it is expected."""
        archive = self._archive
        training = archive.pending[-MAX_PENDING:]
        pending = Pending(archive.vectors(training), archive.training_to[training])
        ended = archive.vectors(np.setdiff1d(archive.finished, self._counted))
        if self._attained is None:
            self._attained = self._expected(archive.vectors(self._counted))
        points = np.concatenate([self._attained, self._expected(np.concatenate([ended, pending.vectors]))])
        return _View(self._surrogate.expecting(pending), Target.beyond(points) if len(points) else None)

    def _appraised(self, view: _View, waiting: np.ndarray, children: Sequence[_Child]) -> tuple[np.ndarray, np.ndarray]:
        """What each is expected to add to the front if it succeeds, by what its training to each rung would tell, per
        step of it, (waiting + children, rungs), nothing where it has been or would leave one out; and its chance to
        succeed, (waiting + children,)."""
        vectors = np.concatenate([self._archive.vectors(waiting), *(child.vector[None] for child in children)])
        beliefs, telling = view.outlook(vectors)
        target = view.target or Target.beyond(beliefs.medians, empty=True)
        # Where nothing gains, the least dominated is first.
        rest = 1e-12 / (1 + moocore.pareto_rank(beliefs.means))
        done = np.concatenate([self._archive.rungs[waiting], np.full(len(children), -1)])
        kept = np.concatenate([self._archive.kept[waiting], np.full(len(children), -1)])
        steps = np.array([0, *self._space.rungs])
        before, last = steps[kept + 1], steps[-1]
        gains = np.zeros((len(vectors), len(self._space.rungs)))
        for rung in range(gains.shape[1]):
            told = beliefs.as_told(telling[:, :, rung])
            # What is not promising when it comes to a rung is not trained further.
            paid = steps[rung + 1] - before + target.chance(told) * (last - steps[rung + 1])
            possible = (done == rung - 1) | ((done < 0) & self.begins_at_any_rung)
            gains[possible, rung] = ((target.improvement(told) + rest) / np.maximum(paid, 1))[possible]
        # Those that wait are known to keep to the bounds.
        old, new = np.split(vectors, [len(waiting)])
        success = [self._feasibility.probability(old, bounds=False), self._feasibility.probability(new)]
        return gains, np.concatenate(success)

    def _bred(self) -> list[_Child]:
        """New genomes, each once."""
        strangers = OFFSPRING // STRANGERS
        return self._encoded(self._offspring(OFFSPRING - strangers) + self._strangers(strangers), [])

    def _offspring(self, count: int) -> list[Proposal]:
        return self.population.offspring(count) if self.population.ready else self._strangers(count)

    def _strangers(self, count: int) -> list[Proposal]:
        return [Proposal(sample(self._space, self._generator), "random") for _ in range(count)]

    def _mutants(self, children: Sequence[_Child], gains: np.ndarray) -> list[_Child]:
        """Mutants of the most promising children, each once."""
        best = np.argsort(-gains, kind="stable")[: MUTANTS // OF_EACH]
        variation = self.population.variation
        with variation.randomness():
            fresh = [
                replace(children[index].proposal, genome=variation.mutate(children[index].proposal.genome))
                for index in best
                for _ in range(OF_EACH)
            ]
        return self._encoded(fresh, children)

    def _encoded(self, proposals: Sequence[Proposal], known: Sequence[_Child]) -> list[_Child]:
        """With their vectors, each once, without those that are known."""
        there = {child.proposal.genome for child in known}
        new = {p.genome: p for p in proposals if p.genome not in there and p.genome not in self._archive}
        vectors = self._archive.encode([*new]) if new else ()
        return [_Child(proposal, vector) for proposal, vector in zip(new.values(), vectors, strict=True)]


@dataclass(frozen=True)
class _View:
    outlook: Outlook
    target: Target | None
    """None before anything is known to improve on."""


@dataclass(frozen=True)
class _Child:
    proposal: Proposal
    vector: np.ndarray
    """Its encoding, (columns,)."""


def _weighed(gains: np.ndarray, success: np.ndarray, safe: float) -> np.ndarray:
    """Gains by their chance, those whose chance is not `safe` behind all others."""
    result: np.ndarray = gains * (success * np.where(success >= safe, 1.0, RISKY))[:, None]
    return result
