"""`EvolutionSampler` is a sampler as Optuna has them, and the algorithm `evolution` as hrfevo has it."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase, RelativeSamplerTestCase

from hrfevo.integrations.optuna import EvolutionSampler

optuna.logging.set_verbosity(optuna.logging.WARNING)


class TestOptunaConformance(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """What Optuna asks of every sampler, by its own tests."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return EvolutionSampler
