"""The default algorithm with one part taken away or changed: what each part earns."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import ModuleType
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.evolution import Evolution, evolution, gaussian_process
from hrfevo.algorithms.evolution.archive import Archive
from hrfevo.algorithms.evolution.surrogate import Surrogate
from hrfevo.algorithms.successive_halving import SuccessiveHalving
from hrfevo.benchmark.comparison import Factory
from hrfevo.space.metrics import METRICS
from hrfevo.space.search_space import SearchSpace


class NoOffspring(Evolution):
    """All new genomes are random; the surrogate alone chooses."""

    def _offspring(self, count: int) -> list[Proposal]:
        return self._strangers(count)


class NoStrangers(Evolution):
    """No new genome is random, once there is something to breed from."""

    def _strangers(self, count: int) -> list[Proposal]:
        return self._offspring(count) if self.population.ready else super()._strangers(count)


class NoRefinement(Evolution):
    """What is promising is not bred again before it is trained."""

    refinements = 0


class NoneDue(Evolution):
    """Nobody goes on because less than the `promote` share has; only who is promising does."""

    def _due(self) -> np.ndarray:
        return np.empty(0, int)


class NothingPending(Evolution):
    """Genomes being trained do not count until they have ended."""

    def _view(self) -> Any:
        with patch.object(Archive, "pending", np.empty(0, int)):
            return super()._view()


class Constant(Evolution):
    """With another value of a constant of a module."""

    module: ClassVar[ModuleType]
    name: ClassVar[str]
    value: ClassVar[Any]

    def ask(self) -> Proposal | None:
        with self._changed():
            return super().ask()

    def tell(self, results: Sequence[Result]) -> None:
        with self._changed():
            super().tell(results)

    def _changed(self) -> AbstractContextManager[Any]:
        return patch.object(self.module, self.name, self.value)


class OneStart(Constant):
    """Kernels are fitted from one start, not from two."""

    module, name, value = gaussian_process, "STARTS", (1.0,)


class Trusting(Constant):
    """Where nothing new is expected to add anything, the surrogate is believed."""

    module, name, value = evolution, "DISTRUST", 0.0


class AsTheyAre(Evolution):
    """No objective is modelled as a logarithm."""

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        super().__init__(space, generator)
        self._surrogate = Surrogate([METRICS[name].trained for name in space.objectives], logarithms=False)


class ThreeChanges(Evolution):
    """Mutation changes three genes instead of one: what there is to gain by adapting its rate."""

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        super().__init__(space, generator)
        self.population.variation.changes = 3.0


class FirstRung(Evolution):
    """New genomes begin at the first rung, whatever it tells."""

    begins_at_any_rung = False


class WithoutPromotion(FirstRung):
    """The surrogate says who is tried, not who is promoted."""

    def _waiting(self) -> np.ndarray:
        return np.empty(0, int)


def promoted_by_rank(space: SearchSpace, seed: np.random.SeedSequence) -> SuccessiveHalving:
    return SuccessiveHalving(WithoutPromotion(space, np.random.default_rng(seed)), space)


def variant(kind: type[Evolution]) -> Factory:
    return partial(_made, kind)


def _made(kind: type[Evolution], space: SearchSpace, seed: np.random.SeedSequence) -> Evolution:
    return kind(space, np.random.default_rng(seed))


VARIANTS: dict[str, Factory] = {
    "no offspring": variant(NoOffspring),
    "no strangers": variant(NoStrangers),
    "no refinement": variant(NoRefinement),
    "none due": variant(NoneDue),
    "nothing pending": variant(NothingPending),
    "one start": variant(OneStart),
    "trusting": variant(Trusting),
    "as they are": variant(AsTheyAre),
    "three changes": variant(ThreeChanges),
    "first rung": variant(FirstRung),
    "promotion by rank": promoted_by_rank,
}
