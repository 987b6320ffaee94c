"""The default algorithm: evolution whose offspring, and whose promotions, a surrogate chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

import moocore
import numpy as np
from threadpoolctl import ThreadpoolController

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.breeding.genetic import Population
from hrfevo.algorithms.evolution.archive import Archive
from hrfevo.algorithms.evolution.candidates import Candidates
from hrfevo.algorithms.evolution.expected_improvement import Beliefs, Target
from hrfevo.algorithms.evolution.feasibility import Feasibility
from hrfevo.algorithms.evolution.surrogate import Outlook, Pending, Surrogate
from hrfevo.algorithms.random import ATTEMPTS
from hrfevo.space.genome import sample
from hrfevo.space.metrics import measure
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
# So many of them are appraised for every rung.
FINALISTS = 16
# It says nothing before it knows so many genomes.
MIN_GENOMES_TO_FIT = 8
# So many random ones begin a search, or as many as the population holds if that is fewer.
FOUNDERS = 10

# The best genomes often lie at a wall. What succeeds less surely than this, or than the surest few of all that is
# considered at first, is tried only where there is nothing else, so that a search goes along a wall and not against it.
MIN_SUCCESS = 0.97
# What it counts then.
RISKY = 1e-30
# Where nothing new is expected to add as large a share to the front, the surrogate may only be sure of what it does not
# know: of a kind of part that was bad once, and whose own genes nothing has varied. So often a random genome is tried.
EXHAUSTED, DISTRUST = 1e-3, 0.3
# Where nothing that is considered succeeds as surely as this, a random genome is tried.
LEAST_SUCCESS = 0.5


class Evolution:
    """NSGA-II's offspring, of which a Gaussian process picks who is trained, and who is trained further.

    The first genomes are random. From then on whoever asks gets the most promising of two kinds: new ones,
    offspring of the population as soon as that is full, and genomes that have ended at a rung and could go on to
    the next. Promising is what its training to a rung will show of a growth of the hypervolume of the front at the
    last rung (Emmerich, Giannakoglou & Naujoks 2006), times the probability of success, per step that this is
    expected to take, or per second where the budget is of time and what a step takes is an objective: to that rung,
    and on to the last if it is promising there too. What a rung shows is by how much it goes with the last one, for
    all that is known already: new genomes begin at a higher rung where the first tells nothing. Genomes being
    trained count as if they had ended as expected, so that workers do not all follow the same hope. A genome thus
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
        self._surrogate = Surrogate([measure(name).trained for name in space.objectives])
        self._feasibility = Feasibility()
        # One: workers have the others, and what is proposed does not depend on how many there are.
        self._threads = ThreadpoolController()
        self._learned = self._heard = 0
        self._counted, self._on_the_way = np.empty(0, int), np.empty(0, int)
        self._attained: tuple[np.ndarray, np.ndarray] | None = None
        self.population = Population(space, generator)

    def ask(self) -> Proposal | None:
        with self._threads.limit(limits=1):
            if len(self._archive) < min(FOUNDERS, self._space.population):
                proposal = self._random()
            else:
                proposal = self._most_promising() if self._surrogate.ready else self._surest()
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

    def promotable(self) -> Set[str]:
        return {self._archive.genomes[number].id for number in self._archive.waiting}

    def _random(self) -> Proposal | None:
        draws = (sample(self._space, self._generator) for _ in range(ATTEMPTS))
        return next((Proposal(genome, "random") for genome in draws if genome not in self._archive), None)

    def _sure_stranger(self, safe: float) -> Proposal | None:
        """A random genome of those whose chance is `safe`; None if there is none among a few."""
        strangers = Candidates(self._archive, self._feasibility.probability)
        strangers.add(self._strangers(OFFSPRING))
        sure = np.flatnonzero(strangers.judged >= safe)
        return strangers[int(sure[0])] if len(sure) else None

    def _surest(self) -> Proposal | None:
        """The new genome that most likely succeeds, while too few have for anything else to be known."""
        candidates = Candidates(self._archive, self._feasibility.probability)
        candidates.add(self._strangers(OFFSPRING))
        self._refine(candidates, lambda success: success)
        return candidates[int(np.argmax(candidates.judged))] if len(candidates) else self._random()

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
            self._on_the_way = np.setdiff1d(np.flatnonzero(measured), self._counted)
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
        view, waiting = self._view(), self._due()

        def judge(vectors: np.ndarray) -> np.ndarray:
            """What each is expected to add to the front, and its chance of success, (N, 2)."""
            return np.stack([view.growth(vectors), self._feasibility.probability(vectors)], axis=1)

        candidates = Candidates(self._archive, judge)
        if not len(waiting):
            waiting = self._waiting()
            strangers = OFFSPRING // STRANGERS
            candidates.add(self._offspring(OFFSPRING - strangers) + self._strangers(strangers))
        if not len(waiting) and not len(candidates):
            return self._random()
        # Those that wait are known to keep to the bounds.
        known = self._feasibility.probability(self._archive.vectors(waiting), bounds=False)
        # Before any is refined: mutants of what is promising crowd at the wall, and none of them would be sure.
        safe = min(MIN_SUCCESS, float(np.quantile(np.append(known, candidates.judged[:, 1]), 0.98)))

        def worth(judged: np.ndarray) -> np.ndarray:
            found: np.ndarray = judged[:, 0] * _chances(judged[:, 1], safe)
            return found

        self._refine(candidates, worth)
        finalists = np.argsort(-worth(candidates.judged), kind="stable")[:FINALISTS]
        growth, likely = candidates.judged[finalists].T
        success = np.append(known, likely)
        if len(candidates) and success.max() < LEAST_SUCCESS and (stranger := self._random()):
            return stranger
        gains = self._appraised(view, waiting, candidates.vectors[finalists]) * _chances(success, safe)[:, None]
        best, rung = map(int, np.unravel_index(np.argmax(gains), gains.shape))
        if best < len(waiting):
            return Proposal(self._archive.genomes[int(waiting[best])], "promotion", rung=rung)
        exhausted = growth.max() < EXHAUSTED
        if exhausted and self._generator.random() < DISTRUST and (stranger := self._sure_stranger(safe)):
            return stranger
        return replace(candidates[int(finalists[best - len(waiting)])], rung=rung)

    def _refine(self, candidates: Candidates, worth: Callable[[np.ndarray], np.ndarray]) -> None:
        """Add mutants of those that are worth most, as they are judged, again and again."""
        for _ in range(self.refinements if len(candidates) else 0):
            best = np.argsort(-worth(candidates.judged), kind="stable")[: MUTANTS // OF_EACH]
            if not candidates.add(self._mutants([candidates[int(number)] for number in best])):
                break  # all of them are known

    def _waiting(self) -> np.ndarray:
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
                waiting = self._waiting()
                due = waiting[rungs[waiting] == rung]
                success = self._feasibility.probability(self._archive.vectors(due), bounds=False)
                found: np.ndarray = due[success >= LEAST_SUCCESS]
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
            counted, on_the_way = (self._expected(archive.vectors(some)) for some in (self._counted, self._on_the_way))
            self._attained = counted, on_the_way
        counted, on_the_way = self._attained
        points = np.concatenate([counted, self._expected(np.concatenate([ended, pending.vectors]))])
        return _View(self._surrogate.expecting(pending), Target.beyond(points, on_the_way))

    def _appraised(self, view: _View, waiting: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """What each is expected to add to the front if it succeeds, by what its training to each rung would tell, per
        step of it, or per second, (waiting + vectors, rungs); nothing where it has been or would leave one out."""
        beliefs, telling = view.outlook.telling(np.concatenate([self._archive.vectors(waiting), vectors]))
        done, kept = (
            np.append(of_those[waiting], np.full(len(vectors), -1))
            for of_those in (self._archive.rungs, self._archive.kept)
        )
        steps = np.array([0, *self._space.rungs])
        before, last = steps[kept + 1], steps[-1]
        pace = self._pace(beliefs)
        gains = np.zeros((len(done), len(self._space.rungs)))
        for rung in range(gains.shape[1]):
            told = beliefs.as_told(telling[:, :, rung])
            # What is not promising when it comes to a rung is not trained further.
            paid = steps[rung + 1] - before + view.target.chance(told) * (last - steps[rung + 1])
            possible = (done == rung - 1) | ((done < 0) & self.begins_at_any_rung)
            gains[possible, rung] = (_growth(view.target, told) / (np.maximum(paid, 1) * pace))[possible]
        return gains

    def _pace(self, beliefs: Beliefs) -> np.ndarray:
        """What a step of each costs, (N,): its time where the budget is of time and this is an objective, else 1.

        Expected improvement per second is of Snoek, Larochelle & Adams 2012.
        """
        objectives, budget = list(self._space.objectives), self._space.budget
        if "step_time" not in objectives or (budget.minutes is None and budget.training_minutes is None):
            return np.ones(len(beliefs.means))
        column = objectives.index("step_time")
        # Nothing is taken to be much faster than all that was measured.
        least = np.nanmin(self._archive.values[:, column])
        found: np.ndarray = np.maximum(beliefs.medians[:, column], least / 2)
        return found

    def _offspring(self, count: int) -> list[Proposal]:
        return self.population.offspring(count) if self.population.ready else self._strangers(count)

    def _strangers(self, count: int) -> list[Proposal]:
        return [Proposal(sample(self._space, self._generator), "random") for _ in range(count)]

    def _mutants(self, parents: Sequence[Proposal]) -> list[Proposal]:
        variation = self.population.variation
        with variation.randomness():
            return [
                replace(parent, genome=variation.mutate(parent.genome)) for parent in parents for _ in range(OF_EACH)
            ]


@dataclass(frozen=True)
class _View:
    outlook: Outlook
    target: Target

    def growth(self, vectors: np.ndarray) -> np.ndarray:
        """What genomes (N, columns) are expected to add to the front if they are trained to the last rung, (N,)."""
        return _growth(self.target, self.outlook.predict(vectors))


def _growth(target: Target, beliefs: Beliefs) -> np.ndarray:
    # Where nothing grows, the least dominated is first.
    growth: np.ndarray = target.improvement(beliefs) + 1e-12 / (1 + moocore.pareto_rank(beliefs.means))
    return growth


def _chances(success: np.ndarray, safe: float) -> np.ndarray:
    """What gains count, (N,): by their chance, and those whose chance is not `safe` behind all others."""
    chances: np.ndarray = success * np.where(success >= safe, 1.0, RISKY)
    return chances
