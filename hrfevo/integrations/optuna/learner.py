"""An algorithm over the parameters of a study that is told what becomes of the study's trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.evolution import Evolution
from hrfevo.algorithms.evolution.ladder import Ladder
from hrfevo.integrations.optuna.conditions import Asked, Conditions
from hrfevo.integrations.optuna.parameters import Parameter
from hrfevo.space.budget import Budget
from hrfevo.space.genes import BaseGene, Value
from hrfevo.space.genome import Genome, resolve, sample
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Bounds

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

# The attribute in which a trial keeps what was proposed for it, so that other processes know before it asks for all.
PROPOSED = "hrfevo:proposed"


class Learner:
    """Evolution over the parameters of a search space, by what the trials of a study say.

    Trials that failed, or whose value is infinite, are failures. One that was pruned counts as what it would have come
    to. One that breaks a constraint shows where the constraint lies. Trials that run are taken to end as expected.
    Trials with equal parameters are one genome, worth their mean.
    """

    def __init__(
        self,
        study: Study,
        distributions: Mapping[str, BaseDistribution],
        trials: Sequence[FrozenTrial],
        population: int,
        generator: np.random.Generator,
    ) -> None:
        self._distributions = dict(distributions)
        self._parameters = {name: Parameter(distribution) for name, distribution in distributions.items()}
        self._constraints = [*dict.fromkeys(name for trial in trials for name in trial.constraints)]
        self._conditions = Conditions.inferred(
            {name: parameter.gene for name, parameter in self._parameters.items()}, [*map(self._asked, trials)]
        )
        self._space = space_of(self._conditions.genes, study.directions, self._constraints, population)
        self._generator = generator
        self._algorithm = Evolution(self._space, generator)
        self._flying: dict[int, Genome] = {}
        self._told: set[int] = set()
        self._measured: dict[Genome, list[Sequence[float]]] = {}
        self._complete: list[FrozenTrial] = []
        self._minimizes = study.directions[0] == StudyDirection.MINIMIZE

    def still_fits(self, distributions: Mapping[str, BaseDistribution], trials: Sequence[FrozenTrial]) -> bool:
        """Whether what it was made for is what there is to search: the parameters, the constraints, and when each
        parameter is asked for."""
        if distributions != self._distributions:
            return False
        new = [trial for trial in trials if trial.number not in self._told]
        return all(
            self._conditions.foresee(self._asked(trial)) and {*trial.constraints} <= {*self._constraints}
            for trial in new
        )

    def hear(self, trials: Sequence[FrozenTrial]) -> None:
        """Learn what is new."""
        for trial in trials:
            if trial.number in self._told:
                continue
            if trial.state.is_finished():
                self._told.add(trial.number)
                self._end(trial, Genome(self._asked(trial).values))
            elif trial.number not in self._flying and (expected := self._expected(trial)):
                self._begin(trial.number, Genome(expected))

    def propose(self, number: int) -> dict[str, float]:
        """Values for the trial of this number, in Optuna's internal representation.

        They are new; where every combination has been tried, any of them.
        """
        if proposal := self._algorithm.ask():
            self._flying[number] = proposal.genome
        else:
            self._begin(number, sample(self._space, self._generator))
        values = self._flying[number].values
        return {name: self._parameters[name].decoded(value) for name, value in values.items()}

    def _asked(self, trial: FrozenTrial) -> Asked:
        internal = {name: trial.distributions[name].to_internal_repr(value) for name, value in trial.params.items()}
        return Asked(self._encoded(internal), trial.state == TrialState.COMPLETE)

    def _expected(self, trial: FrozenTrial) -> dict[str, Value]:
        """What a trial that runs has asked for, and what it will as far as that is known."""
        noted = trial.system_attrs.get(PROPOSED)
        # Anybody may write attributes.
        proposed = {k: v for k, v in noted.items() if isinstance(v, float | int)} if isinstance(noted, dict) else {}
        asked = {**self._encoded(proposed), **self._asked(trial).values}
        there = {name: gene for name, gene in self._conditions.genes.items() if name in asked}
        return resolve(there, lambda name, _: asked[name])

    def _encoded(self, internal: Mapping[str, float]) -> dict[str, Value]:
        """Those of these values that are searched."""
        return {name: self._parameters[name].encoded(v) for name, v in internal.items() if name in self._parameters}

    def _begin(self, number: int, genome: Genome) -> None:
        self._flying[number] = genome
        self._algorithm.adopt(Proposal(genome, "trial"))

    def _end(self, trial: FrozenTrial, genome: Genome) -> None:
        if self._flying.get(trial.number) != genome:
            # It was not what was proposed for it, as where a value was given or a parameter not asked for.
            if (expected := self._flying.pop(trial.number, None)) is not None:
                self._withdraw(expected)
            if not genome.values:
                return
            self._begin(trial.number, genome)
        del self._flying[trial.number]
        self._algorithm.tell([self._result(trial, genome)])

    def _withdraw(self, genome: Genome) -> None:
        """A genome is not being trained after all."""
        if genome not in self._flying.values():
            self._algorithm.tell([self._mean(genome) or Result(Proposal(genome, "trial"), None)])

    def _result(self, trial: FrozenTrial, genome: Genome) -> Result:
        margins = tuple(_finite_or_nan(trial.constraints.get(name, math.nan)) for name in self._constraints)
        is_complete, failure = trial.state == TrialState.COMPLETE, ""
        values: Sequence[float] | None = trial.values if is_complete else self._extrapolated(trial)
        if values is None:
            failure = "pruned" if trial.state == TrialState.PRUNED else "failed"
        elif not all(map(math.isfinite, values)):
            failure = "infinite"
        elif all(value <= 0 for value in trial.constraints.values()):
            self._measured.setdefault(genome, []).append(values)
            if is_complete and len(values) == 1:
                self._complete.append(trial)
        # Who has succeeded once has not failed.
        return self._mean(genome, margins) or Result(Proposal(genome, "trial"), None, margins, failure)

    def _extrapolated(self, trial: FrozenTrial) -> list[float] | None:
        """What a pruned trial would have come to, by how those that were complete went on from the same step, but no
        better than the best of them; None if nothing tells."""
        if trial.state != TrialState.PRUNED or trial.last_step is None:
            return None
        step, value = trial.last_step, trial.intermediate_values[trial.last_step]
        pairs = [(t.intermediate_values[step], t.value) for t in self._complete if step in t.intermediate_values]
        if not pairs or not math.isfinite(value):
            return None
        ladder = Ladder.fit(np.array(pairs))
        estimate = float(ladder(np.array([[value, math.nan]]))[0, 0])
        ends = [t.value for t in self._complete]
        return [max(estimate, min(ends)) if self._minimizes else min(estimate, max(ends))]

    def _mean(self, genome: Genome, margins: tuple[float, ...] = ()) -> Result | None:
        """What is known of a genome, None if nothing."""
        if not (values := self._measured.get(genome)):
            return None
        mean = tuple(np.mean(values, axis=0).tolist())
        return Result(Proposal(genome, "trial"), mean, margins, measurements=len(values))


def space_of(
    genes: Mapping[str, BaseGene], directions: Sequence[StudyDirection], constraints: Sequence[str], population: int
) -> SearchSpace:
    """A space for algorithms alone: its objectives are none that are measured here, so it is not validated.

    Constraints are kept at 0 and below.
    """
    settings: dict[str, Any] = {
        "name": "study",
        "genes": dict(genes),
        "objectives": {
            f"value {place}": "maximize" if direction == StudyDirection.MAXIMIZE else "minimize"
            for place, direction in enumerate(directions)
        },
        "constraints": {name: Bounds(max=0.0) for name in constraints},
        "rungs": [1],
        "budget": Budget.model_construct(),
        "population": population,
    }
    return SearchSpace.model_construct(**settings)


def _finite_or_nan(value: float) -> float:
    return value if math.isfinite(value) else math.nan
