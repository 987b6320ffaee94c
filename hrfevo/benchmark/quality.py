"""How good an emulator is: by what it says of genomes that it has not seen."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import kendalltau, spearmanr
from sklearn.model_selection import KFold

from hrfevo.benchmark.prediction import Prediction
from hrfevo.benchmark.survey import Survey, read_survey
from hrfevo.benchmark.table import ABOUT
from hrfevo.space.search_space import SearchSpace

FOLDS = 5


def judged(table: pa.Table, space: SearchSpace) -> pa.Table:
    """A survey with what its metadata should say: how well it orders genomes, and the kernels of its emulator."""
    survey = read_survey(table, space)
    found = {"held_out": agreement(survey, held_out(survey)), "kernels": Prediction(survey).kernels}
    return table.replace_schema_metadata({ABOUT: json.dumps(json.loads(table.schema.metadata[ABOUT]) | found)})


def held_out(survey: Survey, folds: int = FOLDS) -> np.ndarray:
    """What is predicted of each genome by all that is not in its fold, as `Prediction.logarithms`."""
    found = np.empty((len(survey.genomes), len(survey.space.rungs) + 1))
    for seen, unseen in KFold(folds, shuffle=True, random_state=0).split(found):
        genomes = [survey.genomes[index] for index in unseen]
        found[unseen] = Prediction(survey, seen).logarithms(genomes, survey.sizes["parameters"][unseen])
    return found


def agreement(survey: Survey, predicted: np.ndarray) -> dict[str, dict[str, float]]:
    """How well held-out genomes are ordered: of all, and of the best quarter at the last rung, for each column."""
    measured = np.column_stack([survey.log_losses, survey.log_step_times])
    best = np.argsort(survey.log_losses[:, -1])[: len(measured) // 4]
    names = [f"bits_per_byte at {steps}" for steps in survey.space.rungs] + ["step_time"]
    return {name: _agreement(measured[:, column], predicted[:, column], best) for column, name in enumerate(names)}


def _agreement(measured: np.ndarray, predicted: np.ndarray, best: np.ndarray) -> dict[str, float]:
    found: dict[str, Any] = {
        "spearman": spearmanr(measured, predicted).statistic,
        "kendall": kendalltau(measured, predicted).statistic,
        "r2": 1 - np.var(measured - predicted) / np.var(measured),
        "spearman of the best quarter": spearmanr(measured[best], predicted[best]).statistic,
        "kendall of the best quarter": kendalltau(measured[best], predicted[best]).statistic,
    }
    return {name: round(float(value), 4) for name, value in found.items()}
