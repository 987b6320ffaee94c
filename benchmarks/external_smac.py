"""SMAC3 behind ask and tell, for `external.py`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ConfigSpace import (
    AndConjunction,
    CategoricalHyperparameter,
    ConfigurationSpace,
    InCondition,
    OrdinalHyperparameter,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)
from smac import HyperparameterOptimizationFacade as Facade
from smac import Scenario
from smac.multi_objective.parego import ParEGO
from smac.runhistory.dataclasses import TrialValue

from benchmarks.external_peers import first
from hrfevo.algorithms.base import Proposal, Result
from hrfevo.space.genes import BaseGene, ChoiceGene, FloatGene, IntGene, ListedGene, OrderedGene, Value
from hrfevo.space.genome import Genome, resolve
from hrfevo.space.search_space import SearchSpace

# More evaluations than any search here has.
MOST = 2**12


class SmacPeer:
    """SMAC3's facade for mixed spaces, random forests, with ParEGO (Lindauer et al. 2022; Knowles 2006).

    It learns from every result; its default is to do so from eight at once, for objectives that cost less.
    """

    def __init__(self, space: SearchSpace, seed: np.random.SeedSequence) -> None:
        self._space = space
        number = int(seed.generate_state(1)[0] % 2**31)
        configurations = ConfigurationSpace(seed=number)
        parameters = {name: _parameter(name, gene) for name, gene in space.genes.items()}
        configurations.add(*parameters.values())
        for name, gene in space.genes.items():
            conditions = [InCondition(parameters[name], parameters[on], ok) for on, ok in gene.conditions.items()]
            if conditions:
                configurations.add(conditions[0] if len(conditions) == 1 else AndConjunction(*conditions))
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            configurations,
            output_directory=Path(self._folder.name),
            objectives=[*space.objectives],
            deterministic=True,
            n_trials=MOST,
            seed=number,
        )
        # The facade's own forest, without threads that wait for each other and room for a million leaves.
        model = Facade.get_model(scenario)
        model._rf_opts |= {"n_jobs": 1, "max_leaf_nodes": MOST}
        self._smac = Facade(
            scenario,
            _never,
            model=model,
            initial_design=Facade.get_initial_design(scenario, n_configs=first(space)),
            config_selector=Facade.get_config_selector(scenario, retrain_after=1),
            multi_objective_algorithm=ParEGO(scenario),
            logging_level=False,
        )
        self._trials: dict[Genome, Any] = {}

    def ask(self) -> Proposal:
        trial = self._smac.ask()  # it repeats none
        genome = Genome(resolve(self._space.genes, lambda name, gene: _value(gene, trial.config[name])))
        self._trials[genome] = trial
        return Proposal(genome, "peer")

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            assert result.objectives is not None
            cost = TrialValue(cost=list(result.objectives))
            self._smac.tell(self._trials.pop(result.proposal.genome), cost, save=False)


def _never(config: Any, seed: int = 0) -> float:
    raise NotImplementedError("results are told")


def _parameter(name: str, gene: BaseGene) -> Any:
    if isinstance(gene, ChoiceGene):
        return CategoricalHyperparameter(name, gene.values)
    if isinstance(gene, OrderedGene):
        return OrdinalHyperparameter(name, gene.values)
    if isinstance(gene, IntGene):
        return UniformIntegerHyperparameter(name, gene.low, gene.high, log=gene.log)
    assert isinstance(gene, FloatGene)
    return UniformFloatHyperparameter(name, gene.low, gene.high, log=gene.log)


def _value(gene: BaseGene, value: Any) -> Value:
    """In Python's own types."""
    if isinstance(gene, ListedGene):
        return gene.values[gene.values.index(value)]
    return int(value) if isinstance(gene, IntGene) else float(value)
