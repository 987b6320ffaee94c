"""Optuna's samplers through ask and tell."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hrfevo.algorithms.base import FOUNDER, KNOWN, Proposal, Result
from hrfevo.algorithms.random import RandomSearch
from hrfevo.space.distributions import axes, flat_parameters, labels, new_study
from hrfevo.space.genes import BaseGene, ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.space.genome import Genome, resolve
from hrfevo.space.search_space import SearchSpace

SAMPLERS = {"tpe": "TPESampler", "nsga2": "NSGAIISampler", "gp": "GPSampler", "cmaes": "CmaEsSampler"}
# Those that keep what they have learned, or which generation it is, in attributes of trials.
REMEMBERING = ("nsga2", "cmaes")
# After this many repetitions of known genomes in a row a sampler is helped on with a random one.
REPETITIONS = 5


class OptunaSampler:
    """One of `SAMPLERS` over the same genes, in their own scales.

    Numbers are suggested as coordinates in [0, 1] and decoded by the gene; conditions follow from
    the order of suggestions. What the study knows follows from proposals and results alone: a genome is one trial, at
    the coordinates that encode it, and what Optuna suggests in between, or repeats, is a trial that has failed. A trial
    has one set of values: those of the first rung. Of what was not proposed here, other rungs teach it nothing.
    """

    def __init__(self, name: str, space: SearchSpace, generator: np.random.Generator) -> None:
        import optuna

        self._optuna = optuna
        self._name, self._space, self._generator = name, space, generator
        self._random = RandomSearch(space, generator)
        self._study = new_study(space, list(space.objectives))
        self._trials: dict[str, int] = {}
        self._count = 0
        self._adopted: set[str] = set()

    def ask(self) -> Proposal | None:
        self._study.sampler = self._new_sampler(int(self._generator.integers(2**31)))
        for _ in range(REPETITIONS):
            genome, attributes = self._suggestion()
            if self._random.seen.add(genome):
                self._begin(genome, attributes)
                return Proposal(genome, self._name)
        return self._random.ask()

    def adopt(self, proposal: Proposal) -> Proposal:
        if proposal.operator == self._name:
            self._study.sampler = self._new_sampler(0)  # what it keeps is not drawn
            attributes = self._suggestion()[1] if self._name in REMEMBERING else {}
            self._begin(proposal.genome, attributes)
        elif proposal.operator in (FOUNDER, KNOWN):
            self._adopted.add(proposal.genome.id)
        return self._random.adopt(proposal)

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            genome, objectives = result.proposal.genome, result.objectives
            if genome.id in self._adopted and objectives is not None:
                self._adopted.remove(genome.id)
                if result.proposal.rung == 0:
                    self._begin(genome, {})
            trial = self._trials.pop(genome.id, None)
            if trial is None:
                continue
            if objectives is None:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, list(objectives))

    def _new_sampler(self, seed: int) -> Any:
        """One that remembers nothing but the study."""
        if self._name != "cmaes":
            return getattr(self._optuna.samplers, SAMPLERS[self._name])(seed=seed)

        class Unnumbered(self._optuna.samplers.CmaEsSampler):  # type: ignore[name-defined]
            """CMA-ES, which draws by its seed and the trial's number, without the number."""

            def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
                first = copy.copy(trial)
                first.number = 0
                return super().sample_relative(study, first, search_space)

        return Unnumbered(seed=seed)

    def _suggestion(self) -> tuple[Genome, Mapping[str, Any]]:
        """What the sampler would try next, and what it keeps with that."""
        trial = self._study.ask()
        genome = self._suggested(trial)
        self._count += 1
        return genome, self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL).system_attrs

    def _begin(self, genome: Genome, attributes: Mapping[str, Any]) -> None:
        """Have a trial of a genome running."""
        parameters, distributions = flat_parameters(self._space, genome.values)
        self._study.add_trial(
            self._optuna.create_trial(
                state=self._optuna.trial.TrialState.RUNNING,
                params=parameters,
                distributions=distributions,
                system_attrs=dict(attributes),
            )
        )
        self._trials[genome.id] = self._count
        self._count += 1

    def _suggested(self, trial: Any) -> Genome:
        def suggest(place: str, gene: BaseGene) -> Value:
            if isinstance(gene, ChoiceGene):
                names = labels(gene)
                return gene.values[names.index(trial.suggest_categorical(place, names))]
            assert isinstance(gene, UnitGene)
            return gene.from_unit([trial.suggest_float(axis, 0.0, 1.0) for axis in axes(place, gene)])

        def choose(name: str, gene: BaseGene) -> Value:
            if not isinstance(gene, LayersGene):
                return suggest(name, gene)
            count = trial.suggest_int(name, gene.min, gene.max)
            return [
                resolve(gene.genes, lambda inner, g, i=i: suggest(f"{name}[{i}].{inner}", g))  # type: ignore[misc]
                for i in range(count)
            ]

        return Genome(resolve(self._space.genes, choose))
