"""Learning curves and step times of genomes, learned from a survey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrfevo.benchmark.ensemble import Ensemble
from hrfevo.benchmark.features import Features
from hrfevo.benchmark.survey import Survey
from hrfevo.genome import Genome


class Prediction:
    """The loss at the last rung, what it falls by from rung to rung, and the step time, all as logarithms.

    Falls, and not losses of their own at every rung, so that a curve hangs together.
    """

    def __init__(self, survey: Survey, members: Sequence[int] | None = None) -> None:
        """Learn from a survey: from all its genomes, or from some `members`."""
        some = np.arange(len(survey.genomes)) if members is None else np.array(members)
        losses = survey.log_losses[some]
        columns = np.column_stack([losses[:, -1], losses[:, :-1] - losses[:, 1:], survey.log_step_times[some]])
        genomes = [survey.genomes[index] for index in some]
        self._ensemble = Ensemble(Features(survey.space)).fit(genomes, survey.sizes["parameters"][some], columns)

    def __call__(self, genome: Genome, parameters: float) -> tuple[np.ndarray, float]:
        """Bits per byte at each rung, and the milliseconds of a step."""
        logarithms = self.logarithms([genome], np.array([parameters]))[0]
        return np.exp(logarithms[:-1]), float(np.exp(logarithms[-1]))

    def logarithms(self, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
        """Of the losses at each rung, then of the step time, (genomes, rungs + 1)."""
        return assembled(self._ensemble.predict(genomes, parameters))


def assembled(columns: np.ndarray) -> np.ndarray:
    """Losses from rung to rung, in place of what they fall by."""
    last, falls, times = columns[..., :1], columns[..., 1:-1], columns[..., -1:]
    above = last + np.cumsum(falls[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([above, last, times], axis=-1)
