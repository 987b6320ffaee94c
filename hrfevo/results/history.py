"""What a search has measured, and who of it won: the front, the best, the order of all.

Genomes that were measured with several seeds count for the mean. All are ranked by what can be relied on: the mean,
worse by its standard error, so that one lucky training does not win against a genome that was as good again and again.
Where steps were timed again, alone, the least time counts: whatever else runs only ever lengthens a step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, overload

import numpy as np

from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first
from hrfevo.pareto import non_dominated
from hrfevo.results.averaging import averaged
from hrfevo.space.budget import Spent
from hrfevo.space.genome import Genome
from hrfevo.space.metrics import measure
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.spending import spent
from hrfevo.store.store import Store
from signal_model.support.errors import InputError, closest, counted


@dataclass(frozen=True, eq=False, repr=False)
class History(Sequence[Evaluation]):
    """Evaluations of a search in the order of submission, with the space that they are of; a sequence of them.

    What follows from them is worked out when it is first asked for, and once. Some of them are a history too: `among`.
    """

    space: SearchSpace
    evaluations: tuple[Evaluation, ...]

    @classmethod
    def read(cls, folder: RunFolder, store: Store | None = None) -> Self:
        """That of a run as it stands in `store`, or in its own; empty before it has begun."""
        space = folder.space()
        return cls.stored(space, store, folder.id) if store else cls(space, tuple(folder.evaluations()))

    @classmethod
    def stored(cls, space: SearchSpace, store: Store, run_id: str) -> Self:
        """That of a run whose space is at hand already."""
        return cls(space, tuple(store.evaluations(run_id)))

    def among(self, evaluations: Iterable[Evaluation]) -> History:
        """These alone: who leads is then asked of nobody else."""
        return History(self.space, tuple(evaluations))

    def __len__(self) -> int:
        return len(self.evaluations)

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self.evaluations)

    @overload
    def __getitem__(self, place: int) -> Evaluation: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Evaluation, ...]: ...
    def __getitem__(self, place: int | slice) -> Evaluation | tuple[Evaluation, ...]:
        return self.evaluations[place]

    def __repr__(self) -> str:
        return f"<history of {self.space.name}: {counted(len(self), 'evaluation')}>"

    @cached_property
    def spent(self) -> Spent:
        """What they have taken, those in flight left out."""
        return spent(self.space.rungs, self)

    # --- rungs ------------------------------------------------------------------------------------

    @cached_property
    def finished(self) -> tuple[Evaluation, ...]:
        """Those that have a score."""
        return tuple(one for one in self if one.status == "finished")

    @cached_property
    def top(self) -> tuple[Evaluation, ...]:
        """Finished evaluations of the highest rung that any finished, each as it was measured."""
        highest = max((one.rung for one in self.finished), default=0)
        return tuple(one for one in self.finished if one.rung == highest)

    def at_rung(self, rung: int | None) -> History:
        """Finished evaluations of a rung, of the top one for None, `averaged`. Raises InputError for no rung of it."""
        if rung is None or (self.top and rung == self.top[0].rung):
            return self._leaders
        if not 0 <= rung < len(self.space.rungs):
            steps = self.space.rungs
            accepted = ", ".join(f"{number} ({counted(some, 'step')})" for number, some in enumerate(steps))
            raise InputError(f"rung {rung}: no such rung in this run; accepted: {accepted}")
        return self._averaged(one for one in self.finished if one.rung == rung)

    @cached_property
    def fullest(self) -> History:
        """Those of the rung with most finished ones, `averaged`: what genes do shows best where most genomes are."""
        finished = Counter(one.rung for one in self.finished)
        return self.at_rung(max(finished, key=lambda rung: (finished[rung], rung)) if finished else 0)

    @cached_property
    def with_means(self) -> History:
        """All evaluations, the first of each genome at the top rung `averaged`."""
        means = {one.number: one for one in self._leaders}
        if all(means.get(one.number, one) is one for one in self):
            return self
        return self.among(means.get(one.number, one) for one in self)

    # --- who won ----------------------------------------------------------------------------------

    @cached_property
    def front(self) -> tuple[Evaluation, ...]:
        """Non-dominated genomes of the top rung, `averaged`, best first objective first, of equals the next."""
        peers = list(self._peers.values())
        weights = np.array(self.space.weights)
        losses = -np.array([self._relied_on(one) for one in peers]).reshape(-1, len(weights)) * weights
        winners = [(losses[place].tolist(), peers[place].genome) for place in np.flatnonzero(non_dominated(losses))]
        return tuple(self._peers[genome] for _, genome in sorted(winners))

    @property
    def best(self) -> Evaluation | None:
        """The first of the front; None before anything has finished."""
        return self.front[0] if self.front else None

    def ranked(self, count: int) -> tuple[Evaluation, ...]:
        """The best `count` of the top rung: the front by first objective, then the rest as NSGA-II ranks them."""
        leading = {one.genome for one in self.front}
        by_rank = [one.genome.id for one in best_first(self._individuals, len(self._peers))]
        return (*self.front, *(self._peers[name] for name in by_rank if name not in leading))[:count]

    def by_metric(self, metric: str) -> tuple[Evaluation, ...]:
        """The evaluations that have a metric, best first by that alone.

        Metrics that are no objective are minimized, but for those of which more is better for everybody.
        """
        direction = self.space.objectives.get(metric) or measure(metric).better
        sign = -1 if direction == "maximize" else 1
        having = (one for one in self if metric in one.metrics)
        return tuple(sorted(having, key=lambda one: (sign * one.metrics[metric], one.genome)))

    def check_metric(self, metric: str) -> None:
        """Raise InputError unless one of the evaluations has this metric."""
        measured = {name for one in self for name in one.metrics}
        if metric not in measured:
            accepted = ", ".join(sorted(measured)) or "none yet"
            raise InputError(f"metric {metric!r}: was not measured{closest(metric, measured)}; accepted: {accepted}")

    def find(self, genome: str | None = None) -> Evaluation:
        """The evaluation at its highest rung, `averaged`, of the genome whose id starts with `genome`, or of the best.

        Raises InputError if none or several match.
        """
        if genome is None:
            if self.best is None:
                raise InputError("run: has no finished evaluation yet")
            return self.best
        matches = [one for one in self if one.genome.startswith(genome)]
        found = sorted({one.genome for one in matches})
        if len(found) != 1:
            more = ", …" if len(found) > 5 else ""
            some = f"{len(found)} genomes match: {', '.join(found[:5])}{more}" if found else "no genome of this run"
            raise InputError(f"genome {genome!r}: {some}; `hrfevo best` lists the best")
        last = max(matches, key=lambda one: (one.status == "finished", one.rung))
        if last.status != "finished":
            return last
        return next(one for one in self.at_rung(last.rung) if one.genome == last.genome)

    @cached_property
    def _leaders(self) -> History:
        """Those of the top rung, `averaged`."""
        return self._averaged(self.top)

    def _averaged(self, evaluations: Iterable[Evaluation]) -> History:
        return self.among(averaged(self.space.objectives, tuple(evaluations)))

    @cached_property
    def _peers(self) -> dict[str, Evaluation]:
        """Those of the top rung by genome, without those that break a bound when they are timed alone."""
        broken = self.space.violation
        return {one.genome: one for one in self._leaders if not (one.timings and broken(one.metrics))}

    @property
    def _individuals(self) -> list[Individual]:
        """The peers as DEAP knows them, made anew: a ranking writes into them."""
        weights = self.space.weights
        return [
            Individual(Genome(one.values), Fitness(weights, self._relied_on(one)), one.rung)
            for one in self._peers.values()
        ]

    def _relied_on(self, one: Evaluation) -> list[float]:
        """Its objectives, worse by their standard errors."""
        weighed = zip(self.space.objectives, self.space.weights, strict=True)
        return [one.metrics[name] - weight * one.doubts.get(name, 0.0) for name, weight in weighed]
