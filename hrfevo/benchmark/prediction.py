"""Learning curves and step times of genomes, learned from a survey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrfevo.benchmark.ensemble import Ensemble, Kernels
from hrfevo.benchmark.features import features
from hrfevo.benchmark.survey import Survey
from hrfevo.space.genome import Genome


class Prediction:
    """The loss at the last rung, what it falls by from rung to rung, and the step time, all as logarithms.

    Falls, and not losses of their own at every rung, so that a curve hangs together.
    """

    def __init__(self, survey: Survey, members: Sequence[int] | None = None) -> None:
        """Learn from a survey: from all its genomes, with the kernels that it names, or anew from some `members`."""
        some = np.arange(len(survey.genomes)) if members is None else np.array(members)
        losses, genomes = survey.log_losses[some], [survey.genomes[index] for index in some]
        columns = np.column_stack([losses[:, -1], losses[:, :-1] - losses[:, 1:], survey.log_step_times[some]])
        self._space = survey.space
        rows = features(survey.space, genomes, survey.sizes["parameters"][some])
        self._ensemble = Ensemble(rows, columns, survey.kernels if members is None else None)

    @property
    def kernels(self) -> Kernels:
        """What takes longest to learn."""
        return self._ensemble.kernels

    def __call__(self, genome: Genome, parameters: float) -> tuple[np.ndarray, float]:
        """Bits per byte at each rung, and the milliseconds of a step."""
        logarithms = self.logarithms([genome], np.array([parameters]))[0]
        return np.exp(logarithms[:-1]), float(np.exp(logarithms[-1]))

    def logarithms(self, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
        """Of the losses at each rung, then of the step time, (genomes, rungs + 1)."""
        last, falls, times = np.split(self._ensemble(features(self._space, genomes, parameters)), [1, -1], axis=1)
        return np.concatenate([last + np.cumsum(falls[:, ::-1], axis=1)[:, ::-1], last, times], axis=1)
