"""Learning curves and step times of genomes, learned from a survey: as good as it is, by what it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import kendalltau, spearmanr
from sklearn.model_selection import KFold

from hrfevo.benchmark.ensemble import Ensemble
from hrfevo.benchmark.features import Features
from hrfevo.benchmark.survey import Survey
from hrfevo.genome import Genome

FOLDS = 5


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
        self._ensemble = Ensemble(Features(survey.space)).fit(genomes, survey.parameters[some], columns)

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


def held_out(survey: Survey, folds: int = FOLDS) -> np.ndarray:
    """What is predicted of each genome by all that is not in its fold, as `Prediction.logarithms`."""
    found = np.empty((len(survey.genomes), len(survey.space.rungs) + 1))
    for seen, unseen in KFold(folds, shuffle=True, random_state=0).split(found):
        genomes = [survey.genomes[index] for index in unseen]
        found[unseen] = Prediction(survey, seen).logarithms(genomes, survey.parameters[unseen])
    return found


def agreement(survey: Survey, predicted: np.ndarray) -> dict[str, dict[str, float]]:
    """How well held-out genomes are ordered: of all, and of the best quarter at the last rung, for each column."""
    measured = np.column_stack([survey.log_losses, survey.log_step_times])
    best = np.argsort(survey.log_losses[:, -1])[: len(measured) // 4]
    names = [f"bits_per_byte at {steps}" for steps in survey.space.rungs] + ["step_time"]
    return {name: _agreement(measured[:, column], predicted[:, column], best) for column, name in enumerate(names)}


def _agreement(measured: np.ndarray, predicted: np.ndarray, best: np.ndarray) -> dict[str, float]:
    found: Mapping[str, float] = {
        "spearman": spearmanr(measured, predicted).statistic,
        "kendall": kendalltau(measured, predicted).statistic,
        "r2": 1 - np.var(measured - predicted) / np.var(measured),
        "spearman of the best quarter": spearmanr(measured[best], predicted[best]).statistic,
        "kendall of the best quarter": kendalltau(measured[best], predicted[best]).statistic,
    }
    return {name: round(float(value), 4) for name, value in found.items()}
