"""`EvolutionSampler`: what Optuna asks of a sampler."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler
from optuna.samplers._base import _process_constraints_after_trial
from optuna.trial import FrozenTrial, TrialState

from hrfevo.integrations.optuna.learner import PROPOSED, Learner
from hrfevo.integrations.optuna.parameters import KnownSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

# A tournament needs four parents.
MIN_POPULATION = 4


class EvolutionSampler(BaseSampler):
    """The algorithm `evolution` of hrfevo for any study of Optuna's.

    It breeds parameters from the best trials and lets a Gaussian process pick the most promising of the offspring: by
    the growth of the hypervolume they promise, for one objective or several, times the chance that they neither fail
    nor break a constraint.

    - Parameters may depend on others: on which, it infers from the trials. What a trial asks for that none has asked
      for before is drawn at random.
    - Constraints are those of `Trial.set_constraint`, or of `constraints_func`: kept at 0 and below.
    - Trials that run, here or in other processes, are taken to end as expected, so that several do not all follow the
      same hope.
    - Failed trials are failures, which it learns to avoid. A pruned one counts as what it would have come to.
    - No combination is proposed twice before all have been tried.

    With a `seed` it is deterministic, as long as trials run one after the other. It may be pickled; what it has learned
    it learns again from the study.

    Args:
        population: Of parents, 4 at least.
        constraints_func: What constraints a trial has that is complete or pruned, where the objective does not say it
            by `Trial.set_constraint`. It is called once for each trial.
        seed: Of all that it draws.

    Raises:
        ValueError: For a population below 4.

    Examples:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> def objective(trial):
        ...     x = trial.suggest_float("x", -1, 1)
        ...     if trial.suggest_categorical("kind", ["plane", "bowl"]) == "plane":
        ...         return x
        ...     return x**2 + trial.suggest_int("y", 0, 5) - 2
        >>> study = optuna.create_study(sampler=EvolutionSampler(seed=0))
        >>> study.optimize(objective, n_trials=40)
        >>> study.best_params["kind"], study.best_params["y"], study.best_value < -1.99
        ('bowl', 0, True)
    """

    def __init__(
        self,
        *,
        population: int = 16,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        seed: int | None = None,
    ) -> None:
        if not isinstance(population, int) or population < MIN_POPULATION:
            accepted = f"a whole number, {MIN_POPULATION} at least"
            raise ValueError(f"EvolutionSampler: population {population!r}; accepted: {accepted}")
        self._population, self._constraints_func = population, constraints_func
        self._generator = np.random.default_rng(seed)
        self._random = RandomSampler(seed=int(self._generator.integers(2**31)))
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._study: tuple[Any, int] | None = None
        self._space, self._looked = KnownSpace(), set[int]()
        self._learner: Learner | None = None

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_lock", "_study", "_space", "_looked", "_learner"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()
        self._forget()

    def reseed_rng(self) -> None:
        """Draw something else from now on."""
        self._generator.bit_generator.state = type(self._generator.bit_generator)().state
        self._random.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters that other trials have asked for."""
        with self._lock:
            self._belong_to(study)
            for other in self._others(study, trial):
                if other.number not in self._looked:
                    self._space.add(other.number, other.distributions, other.state == TrialState.COMPLETE)
                    if other.state.is_finished():
                        self._looked.add(other.number)
            return self._space.searched

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values for those of these parameters that it expects the trial to ask for."""
        searched = {name: distribution for name, distribution in search_space.items() if not distribution.single()}
        if not searched:
            return {}
        with self._lock:
            self._belong_to(study)
            trials = self._others(study, trial)
            if self._learner is None or not self._learner.still_fits(searched, trials):
                self._learner = Learner(study, searched, trials, self._population, self._generator)
            self._learner.hear(trials)
            proposed = self._learner.propose(trial.number)
        study._storage.set_trial_system_attr(trial._trial_id, PROPOSED, proposed)
        return {name: searched[name].to_external_repr(value) for name, value in proposed.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value of a parameter that was not foreseen."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Note the constraints of a trial."""
        if self._constraints_func is not None:
            _process_constraints_after_trial(self._constraints_func, study, trial, state)

    def _belong_to(self, study: Study) -> None:
        """Forget what was learned of another study."""
        own = (study._storage, study._study_id)
        if self._study != own:
            self._forget()
            self._study = own

    def _others(self, study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
        """All that have begun but this one. Where a pruner divides trials into brackets, those of all brackets."""
        return [
            other
            for other in study._get_trials(deepcopy=False)
            if other.number != trial.number and other.state != TrialState.WAITING
        ]
