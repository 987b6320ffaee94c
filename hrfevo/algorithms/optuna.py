"""Optuna's tree-structured Parzen estimator through ask and tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hrfevo.algorithms.base import Seen
from hrfevo.genes import BaseGene, ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.genome import Genome, resolve
from hrfevo.records import Proposal, Result
from hrfevo.space import SearchSpace

# After this many repetitions of known genomes in a row the sampler has, in effect, nothing new to offer.
ATTEMPTS = 200


class OptunaTPE:
    """Multi-objective TPE (Ozaki et al. 2022) over the same genes, in their own scales.

    Numbers are suggested as coordinates in [0, 1] and decoded by the gene; conditions follow from
    the order of suggestions. A genome that Optuna repeats is told as failed and asked for again.
    """

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._space = space
        self._study = optuna.create_study(
            directions=[str(direction) for direction in space.objectives.values()],
            sampler=optuna.samplers.TPESampler(seed=int(generator.integers(2**31))),
        )
        self._trials: dict[str, int] = {}
        self._seen = Seen()
        self._exhausted = False

    def ask(self) -> Proposal | None:
        if self._exhausted:
            return None
        for _ in range(ATTEMPTS):
            trial = self._study.ask()
            genome = self._suggested(trial)
            if self._seen.add(genome):
                self._trials[genome.id] = trial.number
                return Proposal(genome, "tpe")
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        self._exhausted = True
        return None

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            trial = self._trials.pop(result.proposal.genome.id, None)
            if trial is None:
                continue  # told at a lower rung already: a trial has one set of values
            if result.objectives is None:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, list(result.objectives))

    def _suggested(self, trial: Any) -> Genome:
        def suggest(place: str, gene: BaseGene) -> Value:
            if isinstance(gene, ChoiceGene):
                names = [str(index) for index in range(len(gene.values))]
                return gene.values[int(trial.suggest_categorical(place, names))]
            assert isinstance(gene, UnitGene)
            axes = [place] if gene.dimensions == 1 else [f"{place}.{axis}" for axis in range(gene.dimensions)]
            return gene.from_unit([trial.suggest_float(axis, 0.0, 1.0) for axis in axes])

        def choose(name: str, gene: BaseGene) -> Value:
            if not isinstance(gene, LayersGene):
                return suggest(name, gene)
            count = trial.suggest_int(name, gene.min, gene.max)
            return [
                resolve(gene.genes, lambda inner, g, i=i: suggest(f"{name}[{i}].{inner}", g))  # type: ignore[misc]
                for i in range(count)
            ]

        return Genome(resolve(self._space.genes, choose))
