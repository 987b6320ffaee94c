"""Optuna's samplers through ask and tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hrfevo.algorithms.random import RandomSearch
from hrfevo.genes import BaseGene, ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.genome import Genome, resolve
from hrfevo.records import Proposal, Result
from hrfevo.space import SearchSpace
from hrfevo.study import axes, flat_parameters, labels, new_study
from signal_model.errors import InputError

SAMPLERS = {"tpe": "TPESampler", "nsga2": "NSGAIISampler", "gp": "GPSampler", "cmaes": "CmaEsSampler"}
# After this many repetitions of known genomes in a row a sampler is helped on with a random one. Four times as many
# find nothing better on the tabular benchmark and, as every one is a trial more, take many times as long.
REPETITIONS = 5


class OptunaSampler:
    """One of `SAMPLERS` over the same genes, in their own scales.

    Numbers are suggested as coordinates in [0, 1] and decoded by the gene; conditions follow from
    the order of suggestions. A genome that Optuna repeats is told again what is known of it, for
    nothing, or as failed while it is being trained. A trial has one set of values: those of the
    first rung. Of what it did not propose, other rungs teach it nothing.

    Raises InputError for more objectives than the sampler takes.
    """

    def __init__(self, name: str, space: SearchSpace, generator: np.random.Generator) -> None:
        import optuna

        if name == "cmaes" and len(space.objectives) > 1:
            raise InputError(f"algorithm: cmaes searches for one objective, not {', '.join(space.objectives)}")
        self._failed = optuna.trial.TrialState.FAIL
        self._name, self._space = name, space
        self._random = RandomSearch(space, generator)
        sampler = getattr(optuna.samplers, SAMPLERS[name])(seed=int(generator.integers(2**31)))
        self._study = new_study(space, list(space.objectives), sampler)
        self._trials: dict[str, Any] = {}
        self._known: dict[str, tuple[float, ...]] = {}
        self._create_trial = optuna.create_trial
        self._adopted: set[str] = set()

    def ask(self) -> Proposal | None:
        if self._random.exhausted:
            return None
        for _ in range(REPETITIONS):
            trial = self._study.ask()
            genome = self._suggested(trial)
            if self._random.seen.add(genome):
                self._trials[genome.id] = trial
                return Proposal(genome, self._name)
            self._tell(trial.number, self._known.get(genome.id))
        return self._random.ask()

    def adopt(self, genome: Genome) -> None:
        self._random.adopt(genome)
        self._adopted.add(genome.id)

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            genome = result.proposal.genome
            if genome.id in self._adopted and result.objectives is not None:
                self._adopted.remove(genome.id)
                if result.proposal.rung == 0:
                    self._add(genome, result.objectives)
            trial = self._trials.pop(genome.id, None)
            if trial is not None:
                self._tell(trial.number, result.objectives)
                if result.objectives is not None:
                    self._known[genome.id] = result.objectives

    def _add(self, genome: Genome, objectives: tuple[float, ...]) -> None:
        parameters, distributions = flat_parameters(self._space, genome.values)
        trial = self._create_trial(params=parameters, distributions=distributions, values=list(objectives))
        self._study.add_trial(trial)
        self._known[genome.id] = objectives

    def _tell(self, trial: int, objectives: tuple[float, ...] | None) -> None:
        if objectives is None:
            self._study.tell(trial, state=self._failed)
        else:
            self._study.tell(trial, list(objectives))

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
