"""Multi-fidelity algorithms of other packages behind hrfevo's protocol, for `search.py`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence, Set

import numpy as np

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.optuna_samplers import OptunaSampler
from hrfevo.space.genome import all_genomes
from hrfevo.space.search_space import SearchSpace


class Hyperband(OptunaSampler):
    """Optuna's TPE with its Hyperband pruner: a trial reports at every rung and ends where the pruner says."""

    def __init__(self, space: SearchSpace, seed: np.random.SeedSequence) -> None:
        import optuna

        super().__init__("tpe", space, np.random.default_rng(seed))
        self._rungs = space.rungs
        factor = round(space.rungs[1] / space.rungs[0])
        self._study.pruner = optuna.pruners.HyperbandPruner(space.rungs[0], space.rungs[-1], factor)
        self._pruned = optuna.trial.TrialState.PRUNED
        self._waiting: list[Proposal] = []

    def ask(self) -> Proposal | None:
        return self._waiting.pop(0) if self._waiting else super().ask()

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            genome, rung = result.proposal.genome, result.proposal.rung
            trial = self._trials.get(genome.id)
            if trial is None:
                continue
            if result.objectives is None or rung == len(self._rungs) - 1:
                super().tell([result])
                continue
            trial.report(result.objectives[0], self._rungs[rung])
            if trial.should_prune():
                del self._trials[genome.id]
                self._study.tell(trial.number, state=self._pruned)
            else:
                self._waiting.append(Proposal(genome, "promotion", rung=rung + 1))

    def promotable(self) -> Set[str]:
        return self._trials.keys()


class MultiObjectiveASHA:
    """Syne Tune's MOASHA: random genomes, none twice, stopped at rungs by non-dominated sorting."""

    def __init__(self, space: SearchSpace, seed: np.random.SeedSequence) -> None:
        from syne_tune.config_space import choice
        from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

        self._genomes = {genome.id: genome for genome in all_genomes(space)}
        # What its searcher would draw, had it not to be asked again for every genome that it has drawn before.
        self._order = iter(np.random.default_rng(seed).permutation(list(self._genomes)).tolist())
        self._rungs, self._objectives, self._signs = space.rungs, list(space.objectives), space.weights
        self._scheduler = MOASHA(
            {"genome": choice(list(self._genomes))},
            self._objectives,
            time_attr="steps",
            max_t=space.rungs[-1],
            grace_period=space.rungs[0],
            reduction_factor=round(space.rungs[1] / space.rungs[0]),
            random_seed=int(seed.generate_state(1)[0]),
        )
        self._trials: dict[str, object] = {}
        self._waiting: list[Proposal] = []

    def ask(self) -> Proposal | None:
        from syne_tune.backend.trial_status import Trial

        if self._waiting:
            return self._waiting.pop(0)
        genome = next(self._order, None)
        if genome is None:
            return None
        self._trials[genome] = Trial(len(self._trials), {"genome": genome}, datetime.datetime(2000, 1, 1))
        self._scheduler.on_trial_add(self._trials[genome])
        return Proposal(self._genomes[genome], "random")

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            genome, rung = result.proposal.genome, result.proposal.rung
            if result.objectives is None:
                continue
            losses = (-sign * value for sign, value in zip(self._signs, result.objectives, strict=True))
            report = dict(zip(self._objectives, losses, strict=True)) | {"steps": self._rungs[rung]}
            if self._scheduler.on_trial_result(self._trials[genome.id], report) == "CONTINUE":
                self._waiting.append(Proposal(genome, "promotion", rung=rung + 1))

    def promotable(self) -> Set[str]:
        return {proposal.genome.id for proposal in self._waiting}
